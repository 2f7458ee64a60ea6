#[cfg(feature = "cuda")]
mod cuda;
mod timing;

use std::{fmt, panic::catch_unwind, str::FromStr};

use candle_core::Device;

use self::timing::update_time;
use super::LearnerConfig;
use crate::policy::ArenaSpec;

/// Where the learner computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The faster of GPU and CPU, by a short timing of updates; the CPU where the build or the machine has no GPU.
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
    /// Opens the device for a learner with these settings and agents. [`Auto`](Self::Auto) takes some tenths of a
    /// second where there is a GPU to compare, more at the first start, when the driver compiles the kernels.
    ///
    /// The device may be used on any one thread at a time.
    ///
    /// # Errors
    /// If a GPU was asked for by name and the build or the machine has none.
    pub fn open(self, config: &LearnerConfig, spec: &ArenaSpec) -> Result<Device, DeviceError> {
        match self {
            Self::Auto => Ok(fastest(config, spec)),
            named => named.open_by_name(),
        }
    }

    /// Refuses what [`open`](Self::open) would refuse, without a timing.
    ///
    /// # Errors
    /// If a GPU was asked for by name and the build or the machine has none.
    pub fn check(self) -> Result<(), DeviceError> {
        match self {
            Self::Auto => Ok(()),
            named => named.open_by_name().map(drop),
        }
    }

    fn open_by_name(self) -> Result<Device, DeviceError> {
        match self {
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => self.open_gpu(cfg!(feature = "cuda"), open_cuda),
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
            // After the first line comes a backtrace, where one is asked for.
            Ok(Err(error)) => {
                Err(DeviceError::Unusable(self, error.to_string().lines().next().unwrap_or_default().into()))
            }
            Err(_) => Err(DeviceError::Unusable(self, "the machine has none".into())),
        }
    }
}

/// The first CUDA GPU, with a stream of its own: candle's default is the calling thread's stream, which would be
/// another one, in no order with the first, once the learner moves to its thread.
fn open_cuda() -> candle_core::Result<Device> {
    let device = Device::new_cuda_with_stream(0)?;
    #[cfg(feature = "cuda")]
    cuda::reduce_costs(device.as_cuda_device()?)?;
    Ok(device)
}

/// The device on which an update takes the least time.
fn fastest(config: &LearnerConfig, spec: &ArenaSpec) -> Device {
    for choice in [DeviceChoice::Cuda, DeviceChoice::Metal] {
        let gpu = match choice.open_by_name() {
            Ok(gpu) => gpu,
            Err(DeviceError::NotBuilt(_)) => continue,
            Err(error) => {
                log::info!("the learner computes on the CPU: {error}");
                continue;
            }
        };
        let times = update_time(&gpu, config, spec)
            .and_then(|gpu| Ok((gpu, update_time(&Device::Cpu, config, spec)?)));
        match times {
            Ok((gpu_time, cpu_time)) => {
                let (device, name) =
                    if gpu_time < cpu_time { (gpu, choice) } else { (Device::Cpu, DeviceChoice::Cpu) };
                log::info!(
                    "the learner computes on the device `{name}`: an update takes {gpu_time:.2?} on `{choice}`, \
                     {cpu_time:.2?} on `cpu`"
                );
                return device;
            }
            Err(error) => log::warn!("the learner does not compute on the device `{choice}`: {error}"),
        }
    }
    Device::Cpu
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
        assert!(matches!(device, Device::Cpu) || cfg!(any(feature = "cuda", feature = "metal")));
    }
}
