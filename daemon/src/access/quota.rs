//! A quota of connections or calls: bounded per application first, then for all sandboxed applications together, then for
//! all callers.
//!
//! An unsandboxed program gets a slot unless other unsandboxed programs hold all of them. When no slot is free, the
//! application that holds the most loses the slot that it has not used for the longest time. A slot with a call in progress is
//! never taken away. That is why a sandboxed app may hold only few slots.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::task::AbortHandle;

use super::Application;
use crate::mutex::lock;

/// All sandboxed applications together may have one in this many slots.
const SANDBOXED_SHARE: usize = 2;

/// One sandboxed application may have one in this many slots, or a few of a small quota.
const APPLICATION_SHARE: usize = 16;
const A_FEW: usize = 4;

/// The time of the last use, for a slot with a call in progress.
const BUSY: u64 = u64::MAX;

/// The slots of one wire.
#[derive(Clone, Debug)]
pub struct Quota(Arc<Table>);

#[derive(Debug)]
struct Table {
    size: usize,
    seats: Mutex<Seats>,
    /// Counts uses. The number shows which slot was used earlier.
    uses: AtomicU64,
}

#[derive(Debug, Default)]
struct Seats {
    of: HashMap<Application, Vec<Arc<Seat>>>,
    all: usize,
    sandboxed: usize,
}

#[derive(Debug)]
struct Seat {
    application: Application,
    last_use: AtomicU64,
    task: OnceLock<AbortHandle>,
}

/// A slot. Dropping this frees it.
#[derive(Debug)]
pub struct Slot {
    table: Arc<Table>,
    seat: Arc<Seat>,
}

/// No slot is free, and no other application can lose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// How many slots there are for callers like this one.
    pub size: usize,
}

/// A group of applications that has used up its slots.
#[derive(Clone, Copy)]
enum Crowd {
    Application,
    Sandboxed,
    All,
}

impl Quota {
    /// Creates this many free slots.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self(Arc::new(Table { size, seats: Mutex::default(), uses: AtomicU64::new(0) }))
    }

    /// Gets a slot for the application, idle at first. If no slot is free, the quota closes the connection
    /// that loses its slot.
    ///
    /// # Errors
    /// If all slots that the application may have are busy.
    pub fn acquire(&self, application: &Application) -> Result<Slot, QuotaExceeded> {
        let table = &self.0;
        let mut seats = table.seats();
        if let Some((crowd, size)) = table.crowd(&seats, application) {
            let gives_way = seats.gives_way(crowd, application).ok_or(QuotaExceeded { size })?;
            seats.remove(&gives_way);
            gives_way.task.get().inspect(|task| task.abort());
        }
        let seat = Arc::new(Seat {
            application: application.clone(),
            last_use: AtomicU64::new(table.use_now()),
            task: OnceLock::new(),
        });
        seats.add(Arc::clone(&seat));
        Ok(Slot { table: Arc::clone(table), seat })
    }
}

impl Table {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        lock(&self.seats)
    }

    fn use_now(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// The smallest group of this application that has no free slot, and the size of that group's share.
    fn crowd(&self, seats: &Seats, application: &Application) -> Option<(Crowd, usize)> {
        let together = (self.size / SANDBOXED_SHARE).max(1);
        let each = (self.size / APPLICATION_SHARE).max(A_FEW).min(together);
        if application.is_sandboxed() {
            if seats.count(application) >= each {
                return Some((Crowd::Application, each));
            }
            if seats.sandboxed >= together {
                return Some((Crowd::Sandboxed, together));
            }
        }
        (seats.all >= self.size).then_some((Crowd::All, self.size))
    }
}

impl Seats {
    fn count(&self, application: &Application) -> usize {
        self.of.get(application).map_or(0, Vec::len)
    }

    fn add(&mut self, seat: Arc<Seat>) {
        self.all += 1;
        self.sandboxed += usize::from(seat.application.is_sandboxed());
        self.of.entry(seat.application.clone()).or_default().push(seat);
    }

    fn remove(&mut self, seat: &Arc<Seat>) {
        let Some(own) = self.of.get_mut(&seat.application) else { return };
        let Some(position) = own.iter().position(|one| Arc::ptr_eq(one, seat)) else { return };
        own.swap_remove(position);
        if own.is_empty() {
            self.of.remove(&seat.application);
        }
        self.all -= 1;
        self.sandboxed -= usize::from(seat.application.is_sandboxed());
    }

    /// The slot to take away: the one that has been idle for the longest time, of the application with the
    /// most slots in this group. That application must be the newcomer itself, or have more slots than the
    /// newcomer.
    fn gives_way(&self, crowd: Crowd, newcomer: &Application) -> Option<Arc<Seat>> {
        let own = self.count(newcomer);
        let may_lose = |(application, seats): &(&Application, &Vec<Arc<Seat>>)| match crowd {
            _ if *application == newcomer => true,
            Crowd::Application => false,
            Crowd::Sandboxed => application.is_sandboxed() && seats.len() > own,
            Crowd::All => seats.len() > own,
        };
        let idle = self.of.iter().filter(may_lose).filter_map(|(_, seats)| {
            let idle = seats.iter().filter(|seat| !seat.is_busy());
            Some((seats.len(), idle.min_by_key(|seat| seat.last_use.load(Ordering::Relaxed))?))
        });
        idle.max_by_key(|(count, _)| *count).map(|(_, seat)| Arc::clone(seat))
    }
}

impl Seat {
    fn is_busy(&self) -> bool {
        self.last_use.load(Ordering::Relaxed) == BUSY
    }
}

impl Slot {
    /// Sets the task that is aborted if this slot is taken away.
    pub fn served_by(&self, task: AbortHandle) {
        let _ = self.seat.task.set(task);
    }

    /// Marks a call in progress, so that the slot is kept.
    pub fn busy(&self) {
        self.seat.last_use.store(BUSY, Ordering::Relaxed);
    }

    /// Marks the end of the call.
    pub fn idle(&self) {
        self.seat.last_use.store(self.table.use_now(), Ordering::Relaxed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.table.seats().remove(&self.seat);
    }
}

#[cfg(test)]
mod tests;
