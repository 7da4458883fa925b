//! The faults of a store, and the case that finds each.

macro_rules! faults {
    ($($fault:ident: $case:ident;)*) => {
        /// A fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Fault {
            $($fault,)*
        }

        /// Each with the case that must fail.
        pub(super) const FAULTS: &[(Fault, &str)] = &[$((Fault::$fault, stringify!($case))),*];
    };
}

faults! {
    // 1: creation.
    CreateReplaces: contract_01_an_address_in_use_is_refused_and_nothing_changes;
    RefusedCreateTakesTheOwner: contract_01_an_address_in_use_is_refused_and_nothing_changes;
    CreateIsFull: contract_01_an_address_in_use_is_refused_and_nothing_changes;
    CreateLooksAndWaits: contract_01_of_many_creators_one_succeeds;
    CreateLooksFirst: contract_01_of_many_creators_on_threads_one_succeeds;

    // 2: compare-and-set.
    AnyEpoch: contract_02_an_entry_for_another_epoch_is_stale_and_changes_nothing;
    AnyEpochIfLive: contract_02_an_entry_for_another_epoch_is_stale_and_changes_nothing;
    LaterEpochs: contract_02_an_entry_for_another_epoch_is_stale_and_changes_nothing;
    StaleNamesTheAsked: contract_02_an_entry_for_another_epoch_is_stale_and_changes_nothing;
    StaleIsTold: contract_02_an_entry_for_another_epoch_is_stale_and_changes_nothing;
    CommitComparesAndWaits: contract_02_of_many_commits_to_one_epoch_one_succeeds;
    CommitComparesFirst: contract_02_of_many_commits_on_threads_one_succeeds;

    // 3: what a new epoch changes.
    OldGroupInfo: contract_03_a_commit_moves_epoch_and_door_in_one_step;
    OldDoor: contract_03_a_commit_moves_epoch_and_door_in_one_step;
    OldMember: contract_03_a_commit_moves_epoch_and_door_in_one_step;
    JoinsBeginNothing: contract_03_a_commit_moves_epoch_and_door_in_one_step;
    NextIsOptional: contract_03_next_comes_with_commits_and_joins_only;
    NextOfMessagesIgnored: contract_03_next_comes_with_commits_and_joins_only;

    // 4 and 5: sequence numbers, live entries.
    LiveTakesNoPlace: contract_04_places_have_no_gap;
    VoidGivesPlacesAgain: contract_04_places_have_no_gap;
    RefusedTakesAPlace: contract_10_a_full_room_refuses_and_drops_nothing;
    LiveIsKept: contract_05_a_live_entry_is_told_and_never_read;
    LiveIsUntold: contract_05_a_live_entry_is_told_and_never_read;
    OnlyTheLastWatchIsTold: contract_05_a_live_entry_is_told_and_never_read;

    // 6 and 7: reading, expiry.
    ReadsTheCursor: contract_06_read_starts_after_the_cursor_and_ends_where_told;
    ReadsBeyondUntil: contract_06_read_starts_after_the_cursor_and_ends_where_told;
    ReadsBackwards: contract_06_read_starts_after_the_cursor_and_ends_where_told;
    AgesAreZero: contract_06_read_starts_after_the_cursor_and_ends_where_told;
    ReachesUntil: contract_06_a_page_reaches_the_head_whatever_is_kept;
    ReachesTheLastKept: contract_06_a_page_reaches_the_head_whatever_is_kept;
    ReachesNotBeforeTheCursor: contract_06_a_page_reaches_the_head_whatever_is_kept;
    PagesAreEndless: contract_06_a_long_log_comes_in_pages;
    PagesSkipOne: contract_06_a_long_log_comes_in_pages;
    MoreIsUnsaid: contract_06_a_long_log_comes_in_pages;
    EmptyIsLost: contract_06_what_is_sealed_comes_back_as_it_was;
    LongIsCut: contract_06_what_is_sealed_comes_back_as_it_was;
    SealedEndsAtZero: contract_06_what_is_sealed_comes_back_as_it_was;
    ExpiresLate: contract_07_an_entry_is_gone_at_its_deadline;
    ExpiresEarly: contract_07_an_entry_is_gone_at_its_deadline;
    ExpiresInOrder: contract_07_an_entry_is_gone_at_its_deadline;
    PlacesReturnOnExpiry: contract_07_an_entry_is_gone_at_its_deadline;

    // 8: watching.
    JoinsAreUntold: contract_08_a_watch_sees_everything_in_order;
    CommitsAreUntold: contract_08_a_watch_sees_everything_in_order;
    ToldAsLive: contract_08_a_watch_sees_everything_in_order;
    WatchMissesTheFirst: contract_08_a_watch_sees_everything_in_order;
    WatchRepeatsTheLog: contract_08_a_watch_sees_everything_in_order;
    LagsSilently: contract_08_a_watch_that_falls_behind_is_told;
    WatchHoldsUpAppend: contract_08_a_watch_that_falls_behind_is_told;
    LagsSoon: contract_08_a_watch_holds_back_what_it_must;

    // 9: the end.
    LingersForEver: contract_09_a_room_without_touches_is_erased;
    LingersLate: contract_09_a_room_without_touches_is_erased;
    EndsWhenAsked: contract_09_a_room_without_touches_is_erased;
    TouchIsNothing: contract_09_a_touched_room_lives_on;
    TouchesAddUp: contract_09_a_touched_room_lives_on;
    NoLargestAge: contract_09_a_room_ends_at_its_largest_age;
    TouchDefersAge: contract_09_a_room_ends_at_its_largest_age;
    CloseIsUntold: contract_09_a_closed_room_is_gone;
    CloseHasOneReason: contract_09_a_closed_room_is_gone;
    ClosedWatchGoesOn: contract_09_a_closed_room_is_gone;
    ClosedRoomIsRead: contract_09_a_closed_room_is_gone;
    AddressStaysTaken: contract_09_an_address_is_free_after_the_end;
    LogOutlivesTheRoom: contract_09_an_address_is_free_after_the_end;

    // 10: bounds.
    FullDropsTheOldest: contract_10_a_full_room_refuses_and_drops_nothing;
    EntriesUnbounded: contract_10_a_full_room_refuses_and_drops_nothing;
    BytesUnbounded: contract_10_a_full_room_refuses_and_drops_nothing;
    LiveTakesSpace: contract_10_a_full_room_refuses_and_drops_nothing;
    MessagesTakeTheLastTenth: contract_10_a_room_full_of_messages_takes_commits;
    CommitsLeaveTheLastTenth: contract_10_a_room_full_of_messages_takes_commits;
    CommitsUnbounded: contract_10_a_room_full_of_messages_takes_commits;
    ExpiryGivesNoSpace: contract_10_space_returns_on_expiry;
    VoidGivesNoSpace: contract_10_space_returns_on_a_void;

    // 11 and 17: voids.
    VoidIsUntold: contract_11_void_takes_back_the_last_commit_and_what_followed;
    VoidKeepsTheEntry: contract_11_void_takes_back_the_last_commit_and_what_followed;
    VoidKeepsWhatFollowed: contract_11_void_takes_back_the_last_commit_and_what_followed;
    VoidForgetsThePast: contract_11_void_takes_back_the_last_commit_and_what_followed;
    OnlyTheLastIsVoided: contract_11_commits_on_a_voided_one_go_with_it;
    VoidsOneEpoch: contract_11_commits_on_a_voided_one_go_with_it;
    MessagesAreVoided: contract_11_only_entries_that_began_an_epoch_can_be_voided;
    VoidSaysNoSuchRoom: contract_11_only_entries_that_began_an_epoch_can_be_voided;
    JoinsAreNotVoided: contract_11_a_join_can_be_voided;
    ForgottenIsRestored: contract_11_a_forgotten_epoch_is_not_restored;
    NothingBeforeAGapIsVoided: contract_11_a_forgotten_epoch_is_not_restored;
    RestoredKeepsItsMember: contract_17_a_restored_epoch_has_what_the_void_says;
    RestoredKeepsTheDoor: contract_17_a_restored_epoch_has_what_the_void_says;
    RestoredKeepsGroupInfo: contract_17_a_restored_epoch_has_what_the_void_says;
    RestoredExpires: contract_17_a_restored_epoch_outlives_the_voided_entry;

    // 12: the door's history.
    PastIsForgotten: contract_12_past_epochs_are_known_as_long_as_their_end_is_kept;
    PastIsNeverForgotten: contract_12_past_epochs_are_known_as_long_as_their_end_is_kept;
    PastHasTheNewMember: contract_12_past_epochs_are_known_as_long_as_their_end_is_kept;
    CurrentIsForgotten: contract_12_the_current_epoch_stays_known;
    LiveEndIsRemembered: contract_12_the_current_epoch_stays_known;
    EpochsUnbounded: contract_12_the_last_epochs_are_known_and_no_more;
    OneEpochLess: contract_12_the_last_epochs_are_known_and_no_more;
    UnsettledIsDisplaced: contract_12_an_unsettled_join_is_not_displaced;
    WhatFollowsIsDisplaced: contract_12_an_unsettled_join_is_not_displaced;

    // 13 and 14: touches, and the reason of the end.
    AppendTouches: contract_13_nothing_but_a_touch_defers_the_linger;
    ReadTouches: contract_13_nothing_but_a_touch_defers_the_linger;
    DoorTouches: contract_13_nothing_but_a_touch_defers_the_linger;
    WatchTouches: contract_13_nothing_but_a_touch_defers_the_linger;
    VoidTouches: contract_13_nothing_but_a_touch_defers_the_linger;
    RefusedCreateTouches: contract_13_nothing_but_a_touch_defers_the_linger;
    TieIsGone: contract_14_the_reason_that_came_first_is_told;
    AlwaysAge: contract_14_the_reason_that_came_first_is_told;
    LaterReasonIsTold: contract_14_the_reason_that_came_first_is_told;
    DueRoomIsClosed: contract_14_an_end_that_is_due_comes_before_a_close;
    DueRoomIsReplaced: contract_14_an_end_that_is_due_comes_before_a_create;

    // 15: the order of refusals.
    StaleBeforeMismatched: contract_15_the_first_reason_to_refuse_is_given;
    FullBeforeStale: contract_15_the_first_reason_to_refuse_is_given;
    FullIsTold: contract_15_the_first_reason_to_refuse_is_given;
    NoRoomBeforeMismatched: contract_15_a_wrong_call_is_wrong_in_no_room_too;

    // 16 and 19: atomic calls.
    HeadMovesLater: contract_16_threads_append_to_one_log;
    ToldOutsideTheLock: contract_16_threads_append_to_one_log;
    DoorInTwoSteps: contract_16_threads_see_a_whole_door;
    VoidToldOutsideTheLock: contract_16_threads_tell_voids_in_order;
    KeptAfterItsPlace: contract_16_threads_read_no_gap;
    EndToldBeforeIt: contract_16_threads_close_after_what_was_accepted;
    ToldInASecondStep: contract_19_a_cancelled_append_is_told_or_never_was;
    ToldBeforeItIsThere: contract_19_a_cancelled_append_is_told_or_never_was;
    VoidToldInASecondStep: contract_19_a_cancelled_commit_or_void_is_told_or_never_was;
    CloseToldInASecondStep: contract_19_a_cancelled_close_is_told_or_never_was;

    // 20 and 21: joins that are taken back, and the door afterwards.
    TakenBackAtOnce: contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough;
    TakenBackLate: contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough;
    AnyMemberTakesBack: contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough;
    CommitsAreTakenBack: contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough;
    JoinsAreSettled: contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough;
    TakenBackLeavesTheDoor: contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough;
    TakenBackIsUntold: contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough;
    TakenBackShutsNothing: contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough;
    NothingSettles: contract_20_a_settled_join_is_not_taken_back;
    SettledIsTakenBack: contract_20_a_settled_join_is_not_taken_back;
    SettleTouches: contract_13_nothing_but_a_touch_defers_the_linger;
    VoidedCommitShuts: contract_21_each_voided_join_shuts_the_door_for_longer;
    NothingShuts: contract_21_each_voided_join_shuts_the_door_for_longer;
    ShutsEquallyLong: contract_21_each_voided_join_shuts_the_door_for_longer;
    ShutsEveryDoor: contract_21_another_door_is_not_shut;

    // 18: independence of rooms.
    PlacesOfAllRooms: contract_18_what_is_done_to_a_room_shows_at_no_other;
    ToldInAllRooms: contract_18_what_is_done_to_a_room_shows_at_no_other;
    CloseEndsAllRooms: contract_18_what_is_done_to_a_room_shows_at_no_other;
    BoundsOfAllRooms: contract_18_a_full_room_fills_no_other;
}
