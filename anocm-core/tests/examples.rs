//! The programs in `examples/`, run with given input.

#![expect(dead_code, reason = "each example has a `main` that is not called here")]

#[path = "../examples/bot.rs"]
mod bot;
#[path = "../examples/chat.rs"]
mod chat;
#[path = "../examples/own_store/main.rs"]
mod own_store;
#[path = "../examples/own_transport/main.rs"]
mod own_transport;

use std::time::Duration;

use anocm_core::{
    NewRoom, Retention, RoomEvent,
    testing::{
        sim::{Simulation, SimulationConfig},
        transport::{Accepted, TransportFactory},
    },
    transport::Transport,
};
use async_trait::async_trait;

#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn text(output: Vec<u8>) -> String {
    String::from_utf8(output).unwrap()
}

#[tokio::test(start_paused = true)]
async fn chat_shows_each_line_on_the_other_screen() {
    let mut output = Vec::new();
    chat::run(&b"Hello.\nHow are you?\n"[..], &mut output).await.unwrap();
    assert_eq!(text(output), "Alice: Hello.\nAlice: How are you?\n");
}

#[tokio::test(start_paused = true)]
async fn bot_answers_commands() {
    let mut output = Vec::new();
    bot::run(&b"!members\n!count one two three\n!secret\n"[..], &mut output).await.unwrap();
    let answers = text(output);
    let answers: Vec<_> = answers.lines().collect();
    assert_eq!(answers, ["Bot: 2 members", "Bot: 3 words", "Bot: hush"]);
}

#[test]
fn bot_answers_after_an_outage() {
    let hour = Duration::from_secs(3_600);
    let script = async |sim: Simulation| {
        let mut room = sim.client().create(&NewRoom::default()).unwrap();
        room.entered().await.unwrap();
        let invite = room.view().invite.unwrap();
        let bot = bot::bot(sim.client().join(&invite, "Bot".parse().unwrap()).unwrap());
        let bot = tokio::spawn(bot);
        while !matches!(room.next_event().await, Some(RoomEvent::Joined { .. })) {}

        // Kept for longer than the bot is away.
        sim.network().block(1, true);
        let retention = Retention::keep(2 * hour).unwrap();
        room.send_with_retention("!count one two", retention).unwrap();
        sim.sleep(hour).await;
        sim.network().block(1, false);
        let answer = loop {
            match room.next_event().await.unwrap() {
                RoomEvent::Message(said) if !said.own && said.whispered_to.is_none() => break said,
                _ => {}
            }
        };
        assert_eq!(answer.text, "2 words");
        room.close_for_all().unwrap();
        bot.await.unwrap();
    };
    Simulation::run(SimulationConfig::default(), script).unwrap();
}

#[tokio::test(start_paused = true)]
async fn own_store_refuses_after_two_rooms() {
    let mut output = Vec::new();
    own_store::run(&mut output).await.unwrap();
    let output = text(output);
    let (open, refused) = output.split_at("room 1 is open\nroom 2 is open\n".len());
    assert_eq!(open, "room 1 is open\nroom 2 is open\n");
    assert!(refused.starts_with("no more rooms: "), "{output}");
}

#[tokio::test(start_paused = true)]
async fn own_transport_carries_a_room() {
    let mut output = Vec::new();
    own_transport::run(&mut output).await.unwrap();
    assert_eq!(text(output), "a room at https://relay.example/\n");
}

struct Queues;

#[async_trait]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
impl TransportFactory for Queues {
    async fn start(&self) -> (Box<dyn Transport>, Accepted) {
        let (accept, accepted) = Accepted::new();
        let relay = "https://relay.example/".parse().unwrap();
        (Box::new(own_transport::queues::Queues { relay, accept }), accepted)
    }
}

mod own_transport_keeps_the_contract {
    anocm_core::transport_conformance!(super::Queues);
}
