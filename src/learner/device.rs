use std::{fmt, panic::catch_unwind, str::FromStr};

use candle_core::Device;

/// Where the learner computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A GPU where the build and the machine have one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first CUDA GPU; needs the feature `cuda`.
    Cuda,
    /// The first Metal GPU; needs the feature `metal`.
    Metal,
}

/// A device that is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The build lacks the backend.
    #[error("the device `{0}` is not in this build; build with `--features {0}`, or choose `cpu` or `auto`")]
    NotBuilt(DeviceChoice),
    /// The machine lacks the device.
    #[error("the device `{0}` cannot be used: {1}; choose `cpu` or `auto`")]
    Unusable(DeviceChoice, String),
    /// No such name.
    #[error("there is no device `{0}`; the devices are auto, cpu, cuda, metal")]
    Unknown(String),
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// If a GPU was asked for by name and the build or the machine has none.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto => {
                let gpu = Self::Cuda.open().or_else(|_| Self::Metal.open());
                Ok(gpu.unwrap_or(Device::Cpu))
            }
            Self::Cuda => self.open_gpu(cfg!(feature = "cuda"), || Device::new_cuda(0)),
            Self::Metal => self.open_gpu(cfg!(feature = "metal"), || Device::new_metal(0)),
        }
    }

    fn open_gpu(self, built: bool, open: fn() -> candle_core::Result<Device>) -> Result<Device, DeviceError> {
        if !built {
            return Err(DeviceError::NotBuilt(self));
        }
        // Metal panics where the device list is empty.
        match catch_unwind(open) {
            Ok(Ok(device)) => Ok(device),
            Ok(Err(error)) => Err(DeviceError::Unusable(self, error.to_string())),
            Err(_) => Err(DeviceError::Unusable(self, "the machine has none".into())),
        }
    }
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
    fn a_gpu_that_is_not_built_in_is_refused_by_name_and_auto_falls_back() {
        assert!(
            matches!(DeviceChoice::Auto.open().unwrap(), Device::Cpu)
                || cfg!(any(feature = "cuda", feature = "metal"))
        );
        if !cfg!(feature = "cuda") {
            let error = "cuda".parse::<DeviceChoice>().unwrap().open().unwrap_err().to_string();
            assert!(error.contains("--features cuda"), "{error}");
        }
        assert!("tpu".parse::<DeviceChoice>().is_err());
    }
}
