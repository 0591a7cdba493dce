use proptest::prelude::*;

use super::*;

fn sandboxed(name: &str) -> Application {
    Application::Sandbox(name.to_owned())
}

fn plain() -> Application {
    Application::Unknown
}

impl Quota {
    fn has(&self, slot: &Slot) -> bool {
        let seats = self.0.seats();
        seats
            .of
            .get(&slot.seat.application)
            .is_some_and(|own| own.iter().any(|seat| Arc::ptr_eq(seat, &slot.seat)))
    }
}

#[test]
fn a_sandboxed_app_at_its_limit_loses_its_own_idle_slots() {
    let quota = Quota::new(1024);
    let others: Vec<_> = (0..100).map(|_| quota.acquire(&plain()).unwrap()).collect();
    let greedy: Vec<_> = (0..2000).map(|_| quota.acquire(&sandboxed("greedy")).unwrap()).collect();
    assert!(others.iter().all(|slot| quota.has(slot)));
    let kept: Vec<_> = greedy.iter().map(|slot| quota.has(slot)).collect();
    assert!(kept[..2000 - 64].iter().all(|kept| !kept), "the slots idle for longest were taken first");
    assert!(kept[2000 - 64..].iter().all(|kept| *kept));
}

#[test]
fn a_busy_slot_is_never_taken_away() {
    let quota = Quota::new(64);
    let held: Vec<_> = (0..4).map(|_| quota.acquire(&sandboxed("a")).unwrap()).collect();
    held.iter().for_each(Slot::busy);
    assert_eq!(quota.acquire(&sandboxed("a")).unwrap_err(), QuotaExceeded { size: 4 });
    quota.acquire(&sandboxed("b")).unwrap();
    held[2].idle();
    let next = quota.acquire(&sandboxed("a")).unwrap();
    assert!(!quota.has(&held[2]) && quota.has(&next) && quota.has(&held[0]));
}

#[test]
fn the_application_with_the_most_slots_loses_one() {
    let quota = Quota::new(8);
    let unit = |name: &str| Application::Unit(name.to_owned());
    let greedy: Vec<_> = (0..6).map(|_| quota.acquire(&unit("greedy.service")).unwrap()).collect();
    let modest: Vec<_> = (0..2).map(|_| quota.acquire(&unit("modest.service")).unwrap()).collect();
    let new = quota.acquire(&unit("new.service")).unwrap();
    assert!(!quota.has(&greedy[0]) && quota.has(&greedy[1]));
    assert!(modest.iter().chain([&new]).all(|slot| quota.has(slot)));
    // The application with the most slots takes one from itself only.
    let more = quota.acquire(&unit("greedy.service")).unwrap();
    assert!(!quota.has(&greedy[1]) && quota.has(&more) && modest.iter().all(|slot| quota.has(slot)));
}

#[test]
fn takes_the_least_recently_used_slot() {
    let quota = Quota::new(4);
    let held: Vec<_> = (0..4).map(|_| quota.acquire(&plain()).unwrap()).collect();
    held[0].busy();
    held[0].idle();
    let _more = quota.acquire(&plain()).unwrap();
    assert!(quota.has(&held[0]) && !quota.has(&held[1]));
}

#[derive(Clone, Debug)]
enum Step {
    Enter(u8),
    Leave(usize),
    Busy(usize),
    Idle(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_u8).prop_map(Step::Enter),
        1 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Busy),
        1 => any::<usize>().prop_map(Step::Idle),
    ]
}

proptest! {
    #[test]
    fn limits_hold_in_any_sequence_of_steps(size in 1..40_usize, steps in prop::collection::vec(step(), 0..200)) {
        let quota = Quota::new(size);
        let mut held: Vec<Slot> = Vec::new();
        for step in steps {
            match step {
                Step::Enter(number) => {
                    let is_plain = number >= 4;
                    let application = if is_plain {
                        Application::Unit(format!("{number}.service"))
                    } else {
                        sandboxed(&number.to_string())
                    };
                    let before: Vec<_> = held.iter().map(|slot| (quota.has(slot), slot.seat.is_busy())).collect();
                    let entered = quota.acquire(&application);
                    if entered.is_err() {
                        let count = |application: &Application| quota.0.seats().count(application);
                        let own = count(&application);
                        let is_fair = |slot: &Slot| {
                            let other = &slot.seat.application;
                            slot.seat.is_busy() || (*other != application && (count(other) <= own || !is_plain))
                        };
                        prop_assert!(held.iter().filter(|slot| quota.has(slot)).all(is_fair));
                        let taken = quota.0.seats();
                        prop_assert!(!is_plain || taken.all - taken.sandboxed >= size - (size / 2).max(1));
                    }
                    for (slot, (had, busy)) in held.iter().zip(before) {
                        let is_kept = !(had && busy) || quota.has(slot);
                        prop_assert!(is_kept, "a busy slot was taken");
                    }
                    held.extend(entered);
                }
                Step::Leave(index) if !held.is_empty() => drop(held.swap_remove(index % held.len())),
                Step::Busy(index) if !held.is_empty() => held[index % held.len()].busy(),
                Step::Idle(index) if !held.is_empty() => held[index % held.len()].idle(),
                _ => {}
            }
            let seats = quota.0.seats();
            prop_assert!(seats.all <= size && seats.sandboxed <= (size / 2).max(1));
            prop_assert_eq!(seats.all, seats.of.values().map(Vec::len).sum::<usize>());
        }
    }
}
