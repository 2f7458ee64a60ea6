//! Row-major `f32` matrix products, on the `gemm` crate's run-time chosen SIMD kernels.

/// A borrowed matrix, possibly seen transposed.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A contiguous row-major matrix of `rows` by `columns`.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "the slice holds the whole matrix");
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same numbers with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// What a product does with the numbers already in its output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// They are replaced.
    Overwrite,
    /// The product is added to them.
    Add,
}

/// `out = a b`, or `out += a b`, on the calling thread; `out` is row-major.
///
/// # Panics
/// If the sizes do not fit.
pub(crate) fn multiply(out: &mut [f32], a: Matrix, b: Matrix, output: Output) {
    assert_eq!(a.columns, b.rows, "inner sizes agree");
    assert_eq!(out.len(), a.rows * b.columns, "the output holds the whole product");
    let (rows, columns, inner) = (a.rows, b.columns, a.columns);
    #[expect(unsafe_code, reason = "gemm takes raw pointers; the sizes are checked just above")]
    // SAFETY: `out` holds rows x columns numbers and is exclusively borrowed; `a` and `b` hold
    // rows x inner and inner x columns numbers at their strides, which `Matrix::new` checked.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            columns as isize,
            output == Output::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_match_the_definition() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, -1.0, 0.5, 2.0, 0.0, 3.0];
        let mut out = [10.0; 4];
        multiply(&mut out, Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2), Output::Overwrite);
        assert_eq!(out, [2.0, 12.0, 6.5, 24.0]);
        multiply(&mut out, Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2), Output::Add);
        assert_eq!(out, [4.0, 24.0, 13.0, 48.0]);
    }

    #[test]
    fn a_transposed_view_is_read_by_columns() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = [0.0; 4];
        multiply(&mut out, Matrix::new(&a, 3, 2).transposed(), Matrix::new(&a, 3, 2), Output::Overwrite);
        assert_eq!(out, [35.0, 44.0, 44.0, 56.0]);
    }
}
