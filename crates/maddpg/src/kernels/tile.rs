use pulp::Simd;

/// Width of a tile in vectors.
pub(super) const VECTORS: usize = 2;

/// One row of a tile.
pub(super) type Pair<S> = [<S as Simd>::f32s; VECTORS];

/// Width of a tile in columns.
#[inline(always)]
pub(super) fn tile_columns<S: Simd>() -> usize {
    VECTORS * S::F32_LANES
}

/// Loads a slice into a pair; missing numbers become zeros.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, slice: &[f32]) -> Pair<S> {
    if let ([low, high], []) = S::as_simd_f32s(slice) {
        return [*low, *high];
    }
    let (low, high) = slice.split_at(slice.len().min(S::F32_LANES));
    [simd.partial_load_f32s(low), simd.partial_load_f32s(high)]
}

/// Stores as many numbers of a pair as the slice holds.
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, slice: &mut [f32], pair: Pair<S>) {
    if let ([low, high], []) = S::as_mut_simd_f32s(slice) {
        [*low, *high] = pair;
        return;
    }
    let (low, high) = slice.split_at_mut(slice.len().min(S::F32_LANES));
    simd.partial_store_f32s(low, pair[0]);
    simd.partial_store_f32s(high, pair[1]);
}

/// Runs `$body` for tiles of `$count` rows, a constant, with `$row` going from 0 to `$rows` in steps of `$count`. The
/// first tiles are so large that their sums, two vectors of the right operand and one number of the left operand fill
/// the registers; smaller tiles cover the remaining rows.
macro_rules! for_tiles {
    ($simd:ty, $row:ident in $rows:expr, $count:ident => $body:block) => {
        let mut $row = 0;
        if <$simd>::REGISTER_COUNT >= 32 {
            $crate::kernels::tile::for_tiles!(@step 12, $row in $rows, $count => $body);
            $crate::kernels::tile::for_tiles!(@step 8, $row in $rows, $count => $body);
        } else {
            // Two tiles of four rows take less time than one of six and one of two.
            while $rows - $row >= 6 && !(8..10).contains(&($rows - $row)) {
                const $count: usize = 6;
                $body
                $row += 6;
            }
        }
        $crate::kernels::tile::for_tiles!(@step 4, $row in $rows, $count => $body);
        $crate::kernels::tile::for_tiles!(@step 2, $row in $rows, $count => $body);
        $crate::kernels::tile::for_tiles!(@step 1, $row in $rows, $count => $body);
    };
    (@step $step:literal, $row:ident in $rows:expr, $count:ident => $body:block) => {
        while $rows - $row >= $step {
            const $count: usize = $step;
            $body
            $row += $step;
        }
    };
}
pub(super) use for_tiles;

/// Runs `$body` with `$index` from 0 to `$count`, a constant of at most 12, without a loop. The compiler does not unroll all
/// loops over the rows of a tile, and a tile whose sums are not in registers takes several times as long.
macro_rules! unrolled {
    ($index:ident in $count:expr => $body:block) => {
        $crate::kernels::tile::unrolled!(@each $index, $count, $body, 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    (@each $index:ident, $count:expr, $body:block, $($value:literal)*) => {
        $(if $value < $count {
            let $index: usize = $value;
            $body
        })*
    };
}
pub(super) use unrolled;
