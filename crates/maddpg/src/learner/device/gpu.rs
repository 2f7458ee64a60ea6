//! Opens GPUs through candle.

#[cfg(feature = "cuda")]
mod cuda;

use std::panic::catch_unwind;

use candle_core::Device as Gpu;

use super::{Backend, Device, DeviceChoice, DeviceError, timing::update_time};
use crate::{learner::LearnerConfig, policy::ArenaSpec};

/// Opens the GPU that `choice` names.
pub(super) fn open(choice: DeviceChoice) -> Result<Device, DeviceError> {
    let open: fn() -> candle_core::Result<Gpu> = match choice {
        DeviceChoice::Cuda if cfg!(feature = "cuda") => open_cuda,
        DeviceChoice::Metal if cfg!(feature = "metal") => || Gpu::new_metal(0),
        other => return Err(DeviceError::NotBuilt(other)),
    };
    // Opening a Metal device panics if the list of devices is empty.
    match catch_unwind(open) {
        Ok(Ok(gpu)) => Ok(Device(Backend::Gpu(gpu))),
        // The lines after the first are a backtrace, if backtraces are enabled.
        Ok(Err(error)) => {
            Err(DeviceError::Unusable(choice, error.to_string().lines().next().unwrap_or_default().into()))
        }
        Err(_) => Err(DeviceError::Unusable(choice, "the machine has none".into())),
    }
}

/// The first CUDA GPU, with its own stream. candle's default is the calling thread's stream; once the learner moves to
/// its thread, that would be a different stream, which does not wait for the first.
fn open_cuda() -> candle_core::Result<Gpu> {
    let device = Gpu::new_cuda_with_stream(0)?;
    #[cfg(feature = "cuda")]
    cuda::reduce_costs(device.as_cuda_device()?)?;
    Ok(device)
}

/// The device on which an update takes less time.
pub(super) fn fastest(config: &LearnerConfig, spec: &ArenaSpec) -> Device {
    for choice in [DeviceChoice::Cuda, DeviceChoice::Metal] {
        let gpu = match open(choice) {
            Ok(gpu) => gpu,
            Err(DeviceError::NotBuilt(_)) => continue,
            Err(error) => {
                log::info!("the learner runs on the CPU: {error}");
                continue;
            }
        };
        let times = update_time(&gpu, config, spec)
            .and_then(|gpu_time| Ok((gpu_time, update_time(&Device::cpu(), config, spec)?)));
        match times {
            Ok((gpu_time, cpu_time)) => {
                let (device, name) =
                    if gpu_time < cpu_time { (gpu, choice) } else { (Device::cpu(), DeviceChoice::Cpu) };
                log::info!(
                    "the learner runs on the device `{name}`: an update takes {gpu_time:.2?} on `{choice}`, \
                     {cpu_time:.2?} on `cpu`"
                );
                return device;
            }
            Err(error) => log::warn!("the learner does not use the device `{choice}`: {error}"),
        }
    }
    Device::cpu()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        learner::{Learner, device::timing::random_transitions},
        policy::AgentSpec,
    };

    /// The critic losses of 25 updates by the CPU engine, and by the GPU engine with its tensors on the CPU.
    fn losses(measures_all: bool) -> [Vec<f32>; 2] {
        let spec = ArenaSpec::new(vec![AgentSpec::new("agent", 5, 2); 2]);
        [Device::cpu(), Device(Backend::Gpu(Gpu::Cpu))].map(|device| {
            let mut learner = Learner::new(LearnerConfig::default(), spec.clone(), device, 1).unwrap();
            learner.remember(&random_transitions(2_000, &spec));
            let mut losses = Vec::new();
            for update in 1..=25 {
                let is_measured = measures_all || update == 25;
                let loss = learner.update(is_measured).unwrap().critic_loss;
                losses.extend(is_measured.then_some(loss));
            }
            losses
        })
    }

    #[test]
    fn the_scales_of_values_follow_alike_on_both_engines() {
        for (measures_all, tolerance) in [(true, 1e-3), (false, 0.1)] {
            let [cpu, gpu] = losses(measures_all);
            for (cpu, gpu) in cpu.iter().zip(&gpu) {
                assert!(
                    (cpu - gpu).abs() < tolerance * cpu,
                    "{cpu} by the CPU engine, {gpu} by the GPU engine"
                );
            }
        }
    }
}
