use proptest::prelude::*;

use super::*;

fn sandboxed(name: &str) -> Application {
    Application::Sandbox(name.to_owned())
}

fn plain() -> Application {
    Application::Unknown
}

impl Quota {
    fn has(&self, place: &Slot) -> bool {
        let seats = self.0.seats();
        seats
            .of
            .get(&place.seat.application)
            .is_some_and(|own| own.iter().any(|seat| Arc::ptr_eq(seat, &place.seat)))
    }
}

#[test]
fn a_sandboxed_application_loses_its_own_idle_places_and_no_others() {
    let places = Quota::new(1024);
    let others: Vec<_> = (0..100).map(|_| places.acquire(&plain()).unwrap()).collect();
    let greedy: Vec<_> = (0..2000).map(|_| places.acquire(&sandboxed("greedy")).unwrap()).collect();
    assert!(others.iter().all(|place| places.has(place)));
    let kept: Vec<_> = greedy.iter().map(|place| places.has(place)).collect();
    assert!(kept[..2000 - 64].iter().all(|kept| !kept), "the longest idle went first");
    assert!(kept[2000 - 64..].iter().all(|kept| *kept));
}

#[test]
fn a_place_with_a_call_under_way_is_kept() {
    let places = Quota::new(64);
    let held: Vec<_> = (0..4).map(|_| places.acquire(&sandboxed("a")).unwrap()).collect();
    held.iter().for_each(Slot::busy);
    assert_eq!(places.acquire(&sandboxed("a")).unwrap_err(), QuotaExceeded { size: 4 });
    places.acquire(&sandboxed("b")).unwrap();
    held[2].idle();
    let next = places.acquire(&sandboxed("a")).unwrap();
    assert!(!places.has(&held[2]) && places.has(&next) && places.has(&held[0]));
}

#[test]
fn the_greediest_gives_way_to_whoever_has_less() {
    let places = Quota::new(8);
    let unit = |name: &str| Application::Unit(name.to_owned());
    let greedy: Vec<_> = (0..6).map(|_| places.acquire(&unit("greedy.service")).unwrap()).collect();
    let modest: Vec<_> = (0..2).map(|_| places.acquire(&unit("modest.service")).unwrap()).collect();
    let new = places.acquire(&unit("new.service")).unwrap();
    assert!(!places.has(&greedy[0]) && places.has(&greedy[1]));
    assert!(modest.iter().chain([&new]).all(|place| places.has(place)));
    // Who has the most takes a place from nobody but itself.
    let more = places.acquire(&unit("greedy.service")).unwrap();
    assert!(!places.has(&greedy[1]) && places.has(&more) && modest.iter().all(|place| places.has(place)));
}

#[test]
fn a_place_that_was_used_just_now_is_not_the_longest_idle() {
    let places = Quota::new(4);
    let held: Vec<_> = (0..4).map(|_| places.acquire(&plain()).unwrap()).collect();
    held[0].busy();
    held[0].idle();
    let _more = places.acquire(&plain()).unwrap();
    assert!(places.has(&held[0]) && !places.has(&held[1]));
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
    fn limits_hold_whatever_applications_do(size in 1..40_usize, steps in prop::collection::vec(step(), 0..200)) {
        let places = Quota::new(size);
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
                    let before: Vec<_> = held.iter().map(|place| (places.has(place), place.seat.is_busy())).collect();
                    let entered = places.acquire(&application);
                    if entered.is_err() {
                        let count = |application: &Application| places.0.seats().count(application);
                        let own = count(&application);
                        let is_fair = |place: &Slot| {
                            let other = &place.seat.application;
                            place.seat.is_busy() || (*other != application && (count(other) <= own || !is_plain))
                        };
                        prop_assert!(held.iter().filter(|place| places.has(place)).all(is_fair));
                        let taken = places.0.seats();
                        prop_assert!(!is_plain || taken.all - taken.sandboxed >= size - (size / 2).max(1));
                    }
                    for (place, (had, busy)) in held.iter().zip(before) {
                        let is_kept = !(had && busy) || places.has(place);
                        prop_assert!(is_kept, "a busy place was taken away");
                    }
                    held.extend(entered);
                }
                Step::Leave(index) if !held.is_empty() => drop(held.swap_remove(index % held.len())),
                Step::Busy(index) if !held.is_empty() => held[index % held.len()].busy(),
                Step::Idle(index) if !held.is_empty() => held[index % held.len()].idle(),
                _ => {}
            }
            let seats = places.0.seats();
            prop_assert!(seats.all <= size && seats.sandboxed <= (size / 2).max(1));
            prop_assert_eq!(seats.all, seats.of.values().map(Vec::len).sum::<usize>());
        }
    }
}
