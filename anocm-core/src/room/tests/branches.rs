//! A dishonest relay that has the link shows a guest a branch of the room that its owner is not in,
//! with members and former members that help it. The branch is the room itself, with the owner cut
//! off: what the owner does elsewhere is unknown there.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{
    bench::{ALICE, BOB, Bench, CAROL, DAVE, keep},
    guest::{is_commit, is_join, is_look, is_publish, sent_to_the_door},
    relay::Relay,
};
use crate::{
    id::{Epoch, MessageId, Seq},
    invite::{Invite, RelayUrl},
    room::{Command, Confirmation, Ended, JoinFailure, RoomEvent, phase::Phase},
    secret::TokenHash,
    session::{Change, Content, Envelope, MessageText, Role, hostile},
    wire::{Door, Genesis, NextEpoch, Refusal, Reply, Request},
};

/// Alice's room, in which Bob is a moderator, without Alice.
fn without_the_owner() -> Bench {
    let mut bench = Bench::with(3);
    let bob = bench[BOB].machine.view().me.unwrap();
    bench.does(ALICE, Command::SetRole(bob, Role::Moderator));
    bench.pass(5);
    bench.cut(ALICE);
    bench
}

/// The members that are left put their group behind the link of the door of that number.
fn move_behind(bench: &mut Bench, number: u32) -> Invite {
    let link = hostile::link_of_door(number);
    for who in [BOB, CAROL] {
        let Phase::Inside(session) = &mut bench[who].machine.phase else { panic!("inside") };
        hostile::moves_behind(session, &link);
    }
    bench.does(CAROL, Command::RefreshKeys);
    bench[CAROL].machine.view().invite.unwrap()
}

/// Dave joins by that link, and hears Bob and Carol.
fn dave_comes_by(bench: &mut Bench, link: &Invite) -> Confirmation {
    assert_eq!(bench.guest_by(Some(link)), DAVE);
    bench.connects(DAVE);
    bench.pass(5);
    bench.says(BOB, "welcome", 600);
    bench.does(CAROL, Command::RefreshKeys);
    bench.says(CAROL, "welcome", 600);
    let view = bench[DAVE].machine.view();
    // All that Dave can see is as in the real room.
    let roles: Vec<_> = view.members.iter().map(|member| member.role).collect();
    assert_eq!(roles, [Role::Owner, Role::Moderator, Role::Member, Role::Member]);
    assert_eq!(bench[DAVE].heard(), ["welcome", "welcome"]);
    view.confirmation
}

fn by(bench: &Bench, who: usize) -> crate::room::Member {
    bench[who].machine.me().unwrap()
}

#[test]
fn a_moderator_confirms_by_the_link_of_the_door_in_the_settings() {
    let mut bench = without_the_owner();
    let link = bench[BOB].machine.view().invite.unwrap();
    let shown = dave_comes_by(&mut bench, &link);
    assert!(matches!(&shown, Confirmation::Confirmed { by: who, .. } if *who == by(&bench, BOB)));
    let told = |event: &&RoomEvent| matches!(event, RoomEvent::Confirmed { .. });
    assert_eq!(bench[DAVE].events.iter().filter(told).count(), 1);
}

#[test]
fn a_struck_moderator_with_old_settings_confirms_no_guest_with_the_present_link() {
    let mut bench = without_the_owner();
    // Alice struck Bob, which replaced the link: Dave has the one after it.
    let link = move_behind(&mut bench, 1);
    let shown = dave_comes_by(&mut bench, &link);
    assert_eq!(shown, Confirmation::Heard { by: by(&bench, CAROL) });
    let is_heard = |event: &&RoomEvent| matches!(event, RoomEvent::Heard { .. });
    assert_eq!(bench[DAVE].events.iter().filter(is_heard).count(), 1);
    assert!(!bench[DAVE].events.iter().any(|event| matches!(event, RoomEvent::Confirmed { .. })));
}

#[test]
fn an_old_door_with_a_former_member_behind_it_confirms_nothing() {
    for (was_moderator, is_removed) in [(false, false), (false, true), (true, true)] {
        let mut bench = Bench::with(3);
        let carol = bench[CAROL].machine.view().me.unwrap();
        if was_moderator {
            bench.does(ALICE, Command::SetRole(carol, Role::Moderator));
        }
        // What the relay keeps; Carol keeps her epoch.
        let branch = bench.relay.clone();
        bench.cut(CAROL);
        if is_removed {
            bench.does(ALICE, Command::Remove(carol));
            bench.pass(5);
        }
        let link = bench[ALICE].machine.view().invite.unwrap();
        for who in [ALICE, BOB] {
            bench.cut(who);
        }
        bench.relay = branch;
        bench.connects(CAROL);
        if is_removed {
            // The relay has the link, and Carol from it.
            let Phase::Inside(session) = &mut bench[CAROL].machine.phase else { panic!("inside") };
            hostile::moves_behind(session, link.secret());
        }
        bench.does(CAROL, Command::RefreshKeys);
        assert_eq!(bench.guest_by(Some(&link)), DAVE);
        bench.connects(DAVE);
        bench.pass(5);
        bench.says(CAROL, "here", 60);
        bench.does(CAROL, Command::RefreshKeys);
        let shown = bench[DAVE].machine.view().confirmation;
        assert_eq!(shown, Confirmation::Heard { by: by(&bench, CAROL) });
    }
}

#[test]
fn a_moderator_struck_since_confirms_guests_with_a_link_of_before() {
    // What remains, as the threat model says.
    let mut bench = without_the_owner();
    let old = bench[BOB].machine.view().invite.unwrap();
    let shown = dave_comes_by(&mut bench, &old);
    assert!(matches!(&shown, Confirmation::Confirmed { by: who, .. } if *who == by(&bench, BOB)));
}

#[test]
fn a_group_made_up_around_the_owners_settings_is_confirmed_by_no_member_of_it() {
    let mut bench = Bench::with(1);
    let link = bench[ALICE].machine.view().invite.unwrap();
    let settings = bench[ALICE].machine.session().unwrap().settings().clone();
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let mallory = hostile::mallory(&mut rng);
    let door = bench.relay.door();
    let mut mallory = hostile::group_behind(&door, link.secret(), &settings, mallory);
    bench.cut(ALICE);
    let (address, policy) = (*mallory.address(), settings.policy);
    let owner = mallory.owner_token().unwrap().unwrap().hash();
    let genesis = Genesis { policy, owner, first: mallory.restored(&mut rng).unwrap() };
    bench.relay = Relay::default();
    let now = bench.now;
    bench.relay.answer(now, None, Request::Create { address, genesis }).unwrap();

    assert_eq!(bench.guest_by(Some(&link)), BOB);
    bench.connects(BOB);
    bench.pass(2);
    let join = bench.relay.item(now, Seq::new(1)).entry;
    mallory.open(&join).unwrap();
    let text = Content::Text(MessageText::new("it is me".to_owned()));
    let envelope = Envelope { id: MessageId::new([1; 16]), counter: 0, content: text };
    let said = mallory.seal(&envelope, keep(60), &mut rng).unwrap();
    let commit = mallory.propose(Change::Refresh, &mut rng).unwrap();
    for (entry, next) in [(said, None), (commit.entry, Some(commit.next))] {
        let publish = Request::Publish { address, entry, next };
        bench.relay.answer(bench.now, Some(mallory.epoch()), publish).unwrap();
        bench.tell_all();
        bench.pass(1);
    }
    let view = bench[BOB].machine.view();
    let Confirmation::Heard { by } = &view.confirmation else { panic!("{:?}", view.confirmation) };
    assert_eq!((by.nickname.as_str(), by.role), ("Alice", Role::Member));
    assert_eq!(bench[BOB].heard(), ["it is me"]);
}

#[test]
fn a_moderator_of_a_later_door_does_not_renew_what_the_owner_confirmed() {
    let mut bench = Bench::with(3);
    let bob = bench[BOB].machine.view().me.unwrap();
    bench.does(ALICE, Command::SetRole(bob, Role::Moderator));
    bench.does(ALICE, Command::ReplaceInvite);
    bench.cut(ALICE);
    let epoch = bench.relay.epoch();
    // Carol came by door 0, and the settings name door 1.
    bench.does(BOB, Command::RefreshKeys);
    let shown = bench[CAROL].machine.view().confirmation;
    assert_eq!(shown, Confirmation::Confirmed { by: by(&bench, ALICE), epoch });
}

#[test]
fn a_moderators_new_door_is_confirmed_once_the_owner_has_signed_for_it() {
    let mut bench = without_the_owner();
    bench.does(BOB, Command::ReplaceInvite);
    bench.pass(5);
    let link = bench[BOB].machine.view().invite.unwrap();
    let shown = dave_comes_by(&mut bench, &link);
    assert_eq!(shown, Confirmation::Heard { by: by(&bench, CAROL) });
    // The owner's own commit, which renews the settings.
    bench.connects(ALICE);
    bench.pass(5);
    let shown = bench[DAVE].machine.view().confirmation;
    assert!(matches!(&shown, Confirmation::Confirmed { by: who, .. } if *who == by(&bench, ALICE)));
    // From then on the moderator confirms, too.
    bench.cut(ALICE);
    bench.sends_back(DAVE);
    bench.pass(1);
    bench.says(BOB, "again", 60);
    let shown = bench[DAVE].machine.view().confirmation;
    assert!(matches!(&shown, Confirmation::Confirmed { by: who, .. } if *who == by(&bench, BOB)));
}

#[test]
fn a_return_begins_at_unheard_and_joins_confirm_nothing() {
    let mut bench = Bench::with(2);
    let view = |bench: &Bench, who: usize| bench[who].machine.view().confirmation;
    assert!(matches!(view(&bench, BOB), Confirmation::Confirmed { .. }));
    assert_eq!(view(&bench, ALICE), Confirmation::Opened);
    // No entry but joins reaches Bob.
    bench[ALICE].machine.cx.config.presence = false;
    bench[BOB].machine.cx.config.presence = false;
    bench.cut(ALICE);
    bench.cut(BOB);
    bench.comes_back(BOB);
    assert_eq!(view(&bench, BOB), Confirmation::Unheard);
    bench.comes_back(ALICE);
    assert_eq!(view(&bench, ALICE), Confirmation::Unheard);
    assert_eq!(view(&bench, BOB), Confirmation::Unheard);
    bench.says(ALICE, "back", 60);
    assert!(matches!(view(&bench, BOB), Confirmation::Confirmed { .. }));
    // Bob can confirm nothing to her.
    bench.says(BOB, "good", 60);
    assert_eq!(view(&bench, ALICE), Confirmation::Heard { by: by(&bench, BOB) });
}

#[test]
fn who_was_inside_is_led_to_no_settings_of_before() {
    let mut bench = Bench::with(3);
    let before = bench.relay.clone();
    bench.cut(CAROL);
    // Bob follows a change of the settings that Carol does not know of.
    let bob = bench[BOB].machine.view().me.unwrap();
    bench.does(ALICE, Command::SetRole(bob, Role::Moderator));
    bench.pass(2);
    let counter =
        |bench: &Bench, who: usize| bench[who].machine.session().unwrap().settings().counter;
    assert_eq!((counter(&bench, BOB), counter(&bench, CAROL)), (1, 0));
    let after = std::mem::replace(&mut bench.relay, before);

    // A branch by Carol, with more epochs than the room.
    for who in [ALICE, BOB] {
        bench.cut(who);
    }
    bench.connects(CAROL);
    for _ in 0..4 {
        bench.does(CAROL, Command::RefreshKeys);
    }
    let branch: Door = bench.relay.door();
    assert!(branch.epoch > after.epoch());
    bench.relay = after;
    bench.cut(CAROL);
    bench.connects(ALICE);
    bench[BOB].forget();
    let mut refused = sent_to_the_door();
    bench[BOB].instead(move |request| {
        let shown = is_look(request).then(|| Ok(Reply::Door(branch.clone())));
        shown.or_else(|| refused(request))
    });
    bench.connects(BOB);
    bench.pass(60);
    assert_eq!(bench[BOB].count(is_join), 0);
    // The relay may be honest: the last member that joined or committed chose the door.
    assert_eq!((bench[BOB].troubles(), bench[BOB].ended()), (vec![], None));
    let looks = bench[BOB].count(is_look);
    assert!((9..=13).contains(&looks), "{looks} looks in a minute");
    bench[BOB].honest();
    bench.pass(10);
    assert!(bench[BOB].is_online());
    assert!(bench.relay.epoch() > Epoch::FIRST);
}

#[test]
fn an_owner_led_into_a_group_without_the_members_it_knew_confirms_it_to_no_guest() {
    let mut bench = Bench::with(2);
    bench.cut(BOB);
    bench.cut(ALICE);
    // The relay made this group up: Bob's leaf is in it, and Bob is not.
    bench.comes_back(ALICE);
    bench[ALICE].forget();
    assert_eq!(bench.newcomer(), CAROL);
    bench.connects(CAROL);
    bench.pass(3 * 3_600);
    let is_own = |request: &Request| is_publish(request) || is_commit(request);
    assert_eq!(bench[ALICE].count(is_own), 0);
    let shown = bench[CAROL].machine.view().confirmation;
    assert_eq!(shown, Confirmation::Unheard);

    // The same once more, with Carol in it, whom Alice did not know.
    bench.cut(ALICE);
    bench.comes_back(ALICE);
    bench[ALICE].forget();
    bench.says(CAROL, "hello", 60);
    bench.pass(3 * 3_600);
    assert_eq!(bench[ALICE].count(is_own), 0);

    // A member that Alice knew cannot be made up.
    bench.connects(BOB);
    bench.pass(5);
    bench.says(BOB, "hello", 60);
    bench.pass(120);
    let shown = bench[CAROL].machine.view().confirmation;
    assert!(matches!(&shown, Confirmation::Confirmed { by: who, .. } if *who == by(&bench, ALICE)));
}

#[test]
fn an_owner_who_writes_in_a_room_it_came_back_to_acts_by_itself_again() {
    let mut bench = Bench::with(2);
    bench.cut(BOB);
    bench.cut(ALICE);
    bench.comes_back(ALICE);
    assert!(bench[ALICE].machine.sync.is_silent());
    bench.says(ALICE, "hello", 60);
    assert!(!bench[ALICE].machine.sync.is_silent());
}

#[test]
fn an_owner_without_heartbeats_answers_newcomers() {
    let mut bench = Bench::with(1);
    bench[ALICE].machine.cx.config.presence = false;
    assert_eq!(bench.newcomer(), BOB);
    bench[BOB].machine.cx.config.presence = false;
    bench.connects(BOB);
    bench.pass(5);
    let shown = bench[BOB].machine.view().confirmation;
    assert!(matches!(&shown, Confirmation::Confirmed { by: who, .. } if *who == by(&bench, ALICE)));
}

/// Alice's commits are refused, and the relay keeps them.
fn refuse_commits(bench: &mut Bench) {
    bench[ALICE].instead(|request| is_commit(request).then_some(Err(Refusal::Full)));
}

#[test]
fn a_role_that_was_signed_and_refused_is_not_left_to_the_relay_when_it_is_taken_away() {
    let mut bench = Bench::with(3);
    let member = |bench: &Bench, who: usize| bench[who].machine.view().me.unwrap();
    let (bob, carol) = (member(&bench, BOB), member(&bench, CAROL));
    let numbers = |bench: &Bench| {
        let session = bench[ALICE].machine.session().unwrap();
        (session.settings().door, session.door_number())
    };
    bench.does(ALICE, Command::SetRole(bob, Role::Moderator));
    // Settings for door 1, in which Bob is a moderator: the relay keeps them.
    refuse_commits(&mut bench);
    bench.does(ALICE, Command::Remove(carol));
    bench[ALICE].honest();
    bench.pass(60);
    assert_eq!(numbers(&bench), (0, 0));
    // So door 1, which Bob's dismissal brings, is replaced as well.
    bench.does(ALICE, Command::SetRole(bob, Role::Member));
    bench.pass(60);
    assert_eq!(numbers(&bench), (2, 2));

    // A role that never took effect: the link is replaced, unless it does.
    let refused = |bench: &mut Bench| {
        refuse_commits(bench);
        bench.does(ALICE, Command::SetRole(carol, Role::Moderator));
        bench[ALICE].honest();
    };
    refused(&mut bench);
    bench.does(ALICE, Command::SetRole(carol, Role::Moderator));
    bench.pass(60);
    assert_eq!(numbers(&bench), (2, 2));
    bench.does(ALICE, Command::SetRole(carol, Role::Member));
    bench.pass(60);
    assert_eq!(numbers(&bench), (3, 3));
    refused(&mut bench);
    bench.does(BOB, Command::RefreshKeys);
    bench.pass(60);
    assert_eq!(numbers(&bench), (4, 4));
}

#[test]
fn a_room_that_needs_a_newer_program_says_so_and_voids_nothing() {
    let mut bench = Bench::with(2);
    let Phase::Inside(alice) = &mut bench[ALICE].machine.phase else { panic!("inside") };
    let (address, epoch) = (*alice.address(), alice.epoch());
    let entry = hostile::sets_later_rules(alice);
    let token = TokenHash::new([1; 32]);
    let next = NextEpoch { member: token, door: token, group_info: vec![0; 1_000].into() };
    let request = Request::Publish { address, entry, next: Some(next) };
    bench.relay.answer(bench.now, Some(epoch), request).unwrap();
    bench.says(BOB, "hello?", 60);
    assert_eq!(bench[BOB].ended(), Some(Ended::NewerProgram));
    assert_eq!(bench[BOB].count(|request| matches!(request, Request::Void { .. })), 0);

    let secret = hostile::link_of_door(0);
    let door = hostile::door_of_later_rules(&secret);
    let relay = RelayUrl::parse("http://localhost/").unwrap();
    let link = Invite::new(relay, door.address, secret);
    let who = bench.guest_by(Some(&link));
    bench[who].instead(move |request| is_look(request).then(|| Ok(Reply::Door(door.clone()))));
    bench.connects(who);
    let failure = JoinFailure::NewerProgram;
    assert_eq!(bench[who].ended(), Some(Ended::NotLetIn(failure)));
}
