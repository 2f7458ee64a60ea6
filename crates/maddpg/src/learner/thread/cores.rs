use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// How many learners may compute at the same time. Learners that share it take turns, so that several of them leave the
/// game its core.
#[derive(Debug, Clone)]
pub struct Cores(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to compute. Dropping it lets the next learner go on.
pub(super) struct Permit<'a>(&'a Shared);

impl Cores {
    /// At most `learners` at the same time, at least 1.
    pub fn new(learners: usize) -> Self {
        Self(Arc::new(Shared { free: Mutex::new(learners.max(1)), freed: Condvar::new() }))
    }

    /// As many learners as the machine has cores, less the game's one.
    pub fn all_but_one() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1))
    }

    /// Waits until the calling learner may compute.
    pub(super) fn wait(&self) -> Permit<'_> {
        let free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.0.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Permit(&self.0)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_learners_compute_at_once_than_allowed() {
        let cores = Cores::new(2);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _permit = cores.wait();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }
}
