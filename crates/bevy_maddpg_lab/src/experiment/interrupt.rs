//! The signals that stop a run: Ctrl-C, the end of a container or of a terminal.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use bevy_maddpg::learner::StopSignal;

use super::{ExperimentError, eprintln_line};

/// The signal that asked the program to stop; 0 if none did.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Signals that come so soon after the first one have the same cause: when a terminal is closed, the shell sends SIGHUP to its jobs, and the
/// system sends it once more when the shell ends.
const SAME: Duration = Duration::from_secs(1);

/// What stops the learners, so that they do not first finish the updates that are due.
static LEARNERS: Mutex<Vec<StopSignal>> = Mutex::new(Vec::new());

/// Tells whether the program was asked to stop. All runs of a program share it, so that they all stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interrupt(());

impl Interrupt {
    /// Listens to the signals from now on. The first one stops the run, which saves what it has; a second one, at least a second later, ends
    /// the process at once.
    /// A signal that was ignored when the program started stays ignored: `nohup` relies on that.
    pub(super) fn listen() -> Result<Self, ExperimentError> {
        static LISTENING: OnceLock<Result<(), String>> = OnceLock::new();
        match LISTENING.get_or_init(|| listen().map_err(|error| error.to_string())) {
            Ok(()) => Ok(Self(())),
            Err(reason) => Err(ExperimentError::Interrupts(reason.clone())),
        }
    }

    /// Learners with this signal stop between two updates as soon as a signal arrives.
    pub(super) fn stops(self, learners: &StopSignal) {
        LEARNERS.lock().unwrap_or_else(PoisonError::into_inner).push(learners.clone());
    }

    /// One without signals, for tests.
    #[cfg(test)]
    pub(super) fn unheard() -> Self {
        Self(())
    }

    /// The signal's number, if there was one.
    pub(super) fn signal(self) -> Option<i32> {
        Some(SIGNAL.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }
}

/// The name of a signal.
pub(super) fn name(signal: i32) -> &'static str {
    match signal {
        1 => "SIGHUP",
        2 => "Ctrl-C",
        15 => "SIGTERM",
        _ => "a signal",
    }
}

fn on_signal(signal: i32) {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let first = *FIRST.get_or_init(Instant::now);
    if SIGNAL.load(Ordering::Relaxed) != 0 {
        if first.elapsed() < SAME {
            return;
        }
        std::process::exit(128 + signal);
    }
    SIGNAL.store(signal, Ordering::Relaxed);
    LEARNERS.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(StopSignal::stop);
    eprintln_line(&format!(
        "{}: stopping; a second signal ends the program at once, without saving",
        name(signal)
    ));
}

#[cfg(unix)]
fn listen() -> std::io::Result<()> {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    let ignored = ignored();
    let heard = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals = Signals::new(heard)?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(on_signal))
        .map(|_| ())
}

/// The signals that this process ignores, as bits, where the system tells.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(unix))]
fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| on_signal(2))
}
