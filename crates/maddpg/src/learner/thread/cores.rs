use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

/// How many learners may compute at the same time. Learners that share a `Cores` take turns. Use it if several learners
/// run beside a game, so that they leave one core to the game.
#[derive(Debug, Clone)]
pub struct Cores(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    freed: Condvar,
}

/// Learners compute in the order in which they asked, so that a busy learner does not always come first.
#[derive(Debug)]
struct Queue {
    free: usize,
    /// The numbers of the learners that wait, oldest first.
    waiting: VecDeque<u64>,
    next: u64,
}

/// The right to compute. Dropping it lets the next learner compute.
pub(super) struct Permit<'a>(&'a Shared);

impl Cores {
    /// At most `learners` learners compute at the same time; 0 counts as 1.
    pub fn new(learners: usize) -> Self {
        let queue = Queue { free: learners.max(1), waiting: VecDeque::new(), next: 0 };
        Self(Arc::new(Shared { queue: Mutex::new(queue), freed: Condvar::new() }))
    }

    /// One learner fewer than the machine has cores, because the game needs one core; at least 1.
    pub fn all_but_one() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1))
    }

    /// Waits until the calling learner may compute.
    pub(super) fn wait(&self) -> Permit<'_> {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back(number);
        let is_too_early = |queue: &mut Queue| queue.free == 0 || queue.waiting.front() != Some(&number);
        let queue = self.0.freed.wait_while(queue, is_too_early);
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        queue.waiting.pop_front();
        queue.free -= 1;
        if queue.free > 0 && !queue.waiting.is_empty() {
            self.0.freed.notify_all();
        }
        Permit(&self.0)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).free += 1;
        self.0.freed.notify_all();
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

    #[test]
    fn a_busy_learner_lets_one_that_waits_compute() {
        let cores = Cores::new(1);
        let first = cores.wait();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| drop(cores.wait()));
            while cores.0.queue.lock().unwrap().waiting.is_empty() {
                std::thread::yield_now();
            }
            drop(first);
            // This one comes after the one that already waits.
            let _again = cores.wait();
            assert_eq!(cores.0.queue.lock().unwrap().next, 3);
            other.join().unwrap();
        });
    }
}
