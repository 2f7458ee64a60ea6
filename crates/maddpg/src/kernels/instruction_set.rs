use pulp::{Arch, Scalar, Simd, WithSimd};

use super::packed::TileColumns;

/// An instruction set to test kernels with, so that tests cover more than the instruction set that this machine
/// chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InstructionSet {
    /// The one chosen on this machine.
    Best,
    /// AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Scalar code.
    Plain,
}

impl InstructionSet {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let all = [
            Self::Best,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2,
            Self::Plain,
        ];
        all.into_iter().filter(|set| set.is_here())
    }

    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            Self::Best | Self::Plain => true,
        }
    }

    pub(super) fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            Self::Best => Arch::new().dispatch(op),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Simd::vectorize(pulp::x86::V3::try_new().expect("`all` checks for support"), op),
            Self::Plain => op.with_simd(Scalar::new()),
        }
    }

    /// Number of columns in a tile.
    pub(super) fn tile_columns(self) -> usize {
        self.run(TileColumns)
    }
}
