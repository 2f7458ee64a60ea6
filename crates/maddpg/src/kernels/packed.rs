use std::array;

use pulp::{Arch, Simd, WithSimd};

use super::tile::{load, store, tile_columns};

/// Number of `f32` in a cache line.
const LINE: usize = 16;

/// Products with matrices of fewer columns than this are computed as dot products.
const NARROW: usize = 3;

/// A right operand of [`multiply`](super::multiply), stored in the order in which `multiply` reads it. Packing again
/// reuses the memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedMatrix {
    data: Vec<f32>,
    /// Where the data starts in the vector; aligned to a cache line.
    start: usize,
    length: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// How the numbers of a [`PackedMatrix`] are arranged.
#[derive(PartialEq, Eq)]
pub(super) enum Layout {
    /// Panels as wide as a tile, each row by row, padded with zeros.
    Panels,
    /// Columns one after another.
    Columns,
}

impl PackedMatrix {
    /// Packs a row-major matrix of `rows` by `columns`.
    pub(crate) fn pack(&mut self, matrix: &[f32], rows: usize, columns: usize) {
        Arch::new().dispatch(Pack { packed: self, matrix, rows, columns });
    }

    /// Packs the transpose of a row-major matrix of `columns` by `rows`.
    pub(crate) fn pack_transposed(&mut self, matrix: &[f32], columns: usize, rows: usize) {
        self.pack_transposed_in_panels(matrix, columns, rows, Arch::new().dispatch(TileColumns));
    }

    pub(super) fn pack_transposed_in_panels(
        &mut self,
        matrix: &[f32],
        columns: usize,
        rows: usize,
        width: usize,
    ) {
        assert_eq!(matrix.len(), rows * columns, "`matrix` must hold rows * columns numbers");
        self.fit(rows, columns, width);
        match self.layout() {
            Layout::Columns => self.data_mut().copy_from_slice(matrix),
            Layout::Panels => {
                for (index, panel) in self.data_mut().chunks_exact_mut(width * rows).enumerate() {
                    let from = index * width;
                    let count = width.min(columns - from);
                    copy_transposed(panel, width, &matrix[from * rows..(from + count) * rows], count, rows);
                }
            }
        }
    }

    pub(super) fn layout(&self) -> Layout {
        if self.columns < NARROW { Layout::Columns } else { Layout::Panels }
    }

    pub(super) fn data(&self) -> &[f32] {
        &self.data[self.start..self.start + self.length]
    }

    fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.length]
    }

    /// Makes room for a matrix in panels of `width` columns. The padding is zeros.
    fn fit(&mut self, rows: usize, columns: usize, width: usize) {
        if (self.rows, self.columns) != (rows, columns) {
            (self.rows, self.columns) = (rows, columns);
            self.length = match self.layout() {
                Layout::Columns => rows * columns,
                Layout::Panels => columns.div_ceil(width) * width * rows,
            };
            self.data.clear();
            self.data.resize(self.length + LINE, 0.0);
            self.start = self.data.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        }
    }
}

/// `out[column][row] = matrix[row][column]`, where the rows of `out` have `width` numbers, at least `rows`.
fn copy_transposed(out: &mut [f32], width: usize, matrix: &[f32], rows: usize, columns: usize) {
    /// Four rows of four numbers fit vector registers, so the compiler transposes them with shuffles.
    const BLOCK: usize = 4;
    let whole = (rows - rows % BLOCK, columns - columns % BLOCK);
    for row in (0..whole.0).step_by(BLOCK) {
        let lines: [&[f32]; BLOCK] =
            array::from_fn(|k| &matrix[(row + k) * columns..(row + k + 1) * columns]);
        for column in (0..whole.1).step_by(BLOCK) {
            let block: [[f32; BLOCK]; BLOCK] = array::from_fn(|c| array::from_fn(|k| lines[k][column + c]));
            for (c, line) in block.iter().enumerate() {
                let at = (column + c) * width + row;
                out[at..at + BLOCK].copy_from_slice(line);
            }
        }
    }
    for row in 0..rows {
        let from = if row < whole.0 { whole.1 } else { 0 };
        for column in from..columns {
            out[column * width + row] = matrix[row * columns + column];
        }
    }
}

/// Packs a row-major matrix.
pub(super) struct Pack<'a> {
    pub(super) packed: &'a mut PackedMatrix,
    pub(super) matrix: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { packed, matrix, rows, columns } = self;
        assert_eq!(matrix.len(), rows * columns, "`matrix` must hold rows * columns numbers");
        let width = tile_columns::<S>();
        packed.fit(rows, columns, width);
        if packed.layout() == Layout::Columns {
            return copy_transposed(packed.data_mut(), rows, matrix, rows, columns);
        }
        for (index, panel) in packed.data_mut().chunks_exact_mut(width * rows).enumerate() {
            let from = index * width;
            for (row, out) in panel.chunks_exact_mut(width).enumerate() {
                let row = &matrix[row * columns..][..columns];
                // With a constant width there are no branches in the loop.
                if from + width <= columns {
                    store(simd, out, load(simd, &row[from..from + width]));
                } else {
                    store(simd, out, load(simd, &row[from..]));
                }
            }
        }
    }
}

/// Returns the number of columns in a tile.
pub(super) struct TileColumns;

impl WithSimd for TileColumns {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        tile_columns::<S>()
    }
}
