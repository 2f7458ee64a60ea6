#[cfg(feature = "gpu")]
mod gpu;
#[cfg(any(feature = "gpu", test))]
mod timing;

use std::{fmt, str::FromStr};

#[cfg(feature = "gpu")]
use self::gpu::fastest;
use super::LearnerConfig;
use crate::policy::ArenaSpec;

/// A device that a learner computes on. [`DeviceChoice::open`] opens one.
///
/// Use a GPU from only one thread at a time.
#[derive(Debug, Clone)]
pub struct Device(pub(super) Backend);

#[derive(Debug, Clone)]
pub(super) enum Backend {
    Cpu,
    #[cfg(feature = "gpu")]
    Gpu(candle_core::Device),
}

impl Device {
    /// The CPU, which is always available.
    pub fn cpu() -> Self {
        Self(Backend::Cpu)
    }

    /// Waits until the device has finished all its work.
    #[cfg(any(feature = "gpu", test))]
    fn synchronize(&self) -> Result<(), super::engine::EngineError> {
        match &self.0 {
            Backend::Cpu => Ok(()),
            #[cfg(feature = "gpu")]
            Backend::Gpu(gpu) => Ok(gpu.synchronize()?),
        }
    }
}

/// Where the learner computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// The faster of GPU and CPU, found by timing a few updates; the CPU if the build or the machine has no GPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first NVIDIA GPU (CUDA); needs the feature `cuda`.
    Cuda,
    /// The first Metal GPU; needs the feature `metal`.
    Metal,
}

/// A device that is not available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The build does not include the backend.
    #[error("this build has no device `{0}`; build with `--features {0}`, or choose `cpu` or `auto`")]
    NotBuilt(DeviceChoice),
    /// The machine has no such device, or opening it failed.
    #[error("the device `{0}` cannot be used: {1}; choose `cpu` or `auto`")]
    Unusable(DeviceChoice, String),
    /// There is no device of this name.
    #[error("there is no device `{0}`; the devices are auto, cpu, cuda, metal")]
    Unknown(String),
}

impl DeviceChoice {
    /// Opens the device for a learner with these settings and agents. If there is a GPU, [`Auto`](Self::Auto) takes a
    /// few tenths of a second to time both devices. The first start takes longer, because the driver compiles the
    /// kernels.
    ///
    /// # Errors
    /// If a GPU is named that the build or the machine does not have.
    pub fn open(self, config: &LearnerConfig, spec: &ArenaSpec) -> Result<Device, DeviceError> {
        match self {
            Self::Auto => Ok(fastest(config, spec)),
            named => named.open_by_name(),
        }
    }

    /// Checks that [`open`](Self::open) would succeed, without timing any device.
    ///
    /// # Errors
    /// If a GPU is named that the build or the machine does not have.
    pub fn check(self) -> Result<(), DeviceError> {
        self.open_by_name().map(drop)
    }

    fn open_by_name(self) -> Result<Device, DeviceError> {
        match self {
            Self::Auto | Self::Cpu => Ok(Device::cpu()),
            #[cfg(feature = "gpu")]
            gpu => gpu::open(gpu),
            #[cfg(not(feature = "gpu"))]
            gpu => Err(DeviceError::NotBuilt(gpu)),
        }
    }
}

/// A build without a GPU backend has only the CPU.
#[cfg(not(feature = "gpu"))]
fn fastest(_: &LearnerConfig, _: &ArenaSpec) -> Device {
    Device::cpu()
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        })
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let choices = [Self::Auto, Self::Cpu, Self::Cuda, Self::Metal];
        let choice = choices.into_iter().find(|choice| choice.to_string() == name);
        choice.ok_or_else(|| DeviceError::Unknown(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_built_in_is_refused_by_name() {
        if !cfg!(feature = "cuda") {
            let error = "cuda".parse::<DeviceChoice>().unwrap().check().unwrap_err().to_string();
            assert!(error.contains("--features cuda"), "{error}");
        }
        assert!("tpu".parse::<DeviceChoice>().is_err());
    }

    #[test]
    fn without_a_gpu_in_the_build_auto_is_the_cpu() {
        let device = DeviceChoice::Auto.open(&LearnerConfig::default(), &ArenaSpec::default()).unwrap();
        assert!(matches!(device.0, Backend::Cpu) || cfg!(any(feature = "cuda", feature = "metal")));
    }
}
