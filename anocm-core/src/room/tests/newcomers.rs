//! Who confirms a newcomer's view of the room.

use super::bench::{ALICE, BOB, Bench, CAROL};

#[test]
fn whoever_was_led_behind_an_old_door_first_is_not_confirmed_by_who_comes_later() {
    let mut bench = Bench::with(1);
    bench.cut(ALICE);
    for who in [BOB, CAROL] {
        assert_eq!(bench.newcomer(), who);
        bench.connects(who);
        bench.pass(5);
    }
    bench.says(BOB, "is anybody here?", 60);
    bench.says(CAROL, "I am", 60);
    // Bob was there when Carol came. Of those who were there before Bob, nobody was heard: both
    // may have been shown an old door.
    let confirmed = |bench: &Bench, who: usize| bench[who].machine.view().confirmed;
    assert!(confirmed(&bench, CAROL) && !confirmed(&bench, BOB));
    bench.connects(ALICE);
    bench.says(ALICE, "welcome", 60);
    assert!(confirmed(&bench, BOB));
}
