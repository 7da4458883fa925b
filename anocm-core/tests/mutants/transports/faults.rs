//! The faults of a transport, and the case that finds each.

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
    // 1: links.
    LinksShareAQueue: contract_01_links_are_independent;
    LinksEndTogether: contract_01_links_are_independent;
    LinksShareTheSpace: contract_01_a_link_that_is_not_read_holds_up_no_other;

    // 2: frames.
    BytesAreLost: contract_02_frames_arrive_whole_once_and_in_order;
    BytesAreChanged: contract_02_frames_arrive_whole_once_and_in_order;
    EmptyIsLost: contract_02_frames_arrive_whole_once_and_in_order;
    ArrivesTwice: contract_02_frames_arrive_whole_once_and_in_order;
    BatchIsReversed: contract_02_frames_arrive_whole_once_and_in_order;
    BatchIsOneFrame: contract_02_frames_arrive_whole_once_and_in_order;
    LongIsSplit: contract_02_frames_arrive_whole_once_and_in_order;
    LongestIsRefused: contract_02_frames_arrive_whole_once_and_in_order;
    SendersOverwrite: contract_02_frames_of_several_threads_arrive_once_and_in_order;

    // 3 to 5: the end.
    CloseIsUntold: contract_03_a_clean_close_is_told_again_and_again;
    CloseIsToldOnce: contract_03_a_clean_close_is_told_again_and_again;
    CloseIsACut: contract_03_a_clean_close_is_told_again_and_again;
    CloseDropsWhatWasSent: contract_04_what_was_sent_before_a_close_arrives;
    CloseDropsWhatWasTaken: contract_04_what_was_taken_at_once_before_a_close_arrives;
    SendsAfterItsClose: contract_04_a_side_that_closed_sends_nothing_more;
    DropIsUntold: contract_05_dropping_a_link_closes_it;
    SendsToADroppedSide: contract_05_dropping_a_link_closes_it;

    // 6, 7 and 10: backpressure.
    SendNeverWaits: contract_06_send_waits_for_the_other_side;
    TrySendLosesTheRest: contract_07_what_goes_at_once_keeps_its_place;
    TrySendTakesTheLast: contract_07_what_goes_at_once_keeps_its_place;
    SendOvertakesWhatWaits: contract_07_what_goes_at_once_keeps_its_place;
    TrySendOvertakes: contract_07_what_goes_at_once_keeps_its_place;
    TrySendTakesAll: contract_07_nothing_is_taken_for_a_side_that_does_not_keep_up;
    TrySendTakesMore: contract_07_nothing_is_taken_for_a_side_that_does_not_keep_up;
    SendOfNothingIsNothing: contract_07_nothing_is_taken_for_a_side_that_does_not_keep_up;
    TrySendTakesAfterTheEnd: contract_07_nothing_is_taken_by_a_link_that_has_ended;
    ReceiveHoldsUpSend: contract_10_a_receive_that_waits_holds_up_no_send;
    SendHoldsUpReceive: contract_10_a_send_that_waits_holds_up_no_receive;
    ReceiveOverwrites: contract_10_threads_send_and_receive_at_the_same_time;

    // 8, 9 and 11: every frame, and no more.
    LastOfABatchIsHeld: contract_08_nothing_that_was_sent_is_held_back;
    SmallIsHeld: contract_08_nothing_that_was_sent_is_held_back;
    TakenIsHeld: contract_08_nothing_that_was_taken_at_once_is_held_back;
    AnyLengthComesIn: contract_09_a_frame_that_is_too_long_is_not_received;
    TooLongIsACut: contract_09_a_frame_that_is_too_long_is_not_received;
    TooLongIsSkipped: contract_09_a_frame_that_is_too_long_is_not_received;
    TooLongIsSentInPart: contract_09_a_frame_that_is_too_long_is_refused_or_ends_the_link;
    CancelledReceiveLoses: contract_11_a_cancelled_receive_loses_nothing;
    CancelledSendLeavesHalf: contract_11_a_cancelled_send_leaves_whole_frames;
    CancelledSendRepeats: contract_11_a_cancelled_send_leaves_whole_frames;
}
