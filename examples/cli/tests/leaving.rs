//! Of a room that was left, nothing is in the memory of the process that goes on living.
//!
//! A program of its own, made of the library, is a guest and tells each secret of its rooms, in
//! disguise: so these tests know what to look for in its memory.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, helpers included, and a program that tells what happens"
)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use anocm_core::{
    Command, Invite, RoomEvent,
    client::{Client, ClientConfig, Room},
};
use anocm_guard::testing::{AtExit, occurrences, was_run_as_root};
use anocm_ws::client::{WsOptions, WsTransport};
use common::{Anocm, PATIENCE, Server, fragment};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

/// Turns secrets into what is not looked for, and back.
const DISGUISE: u8 = 0xa5;

const SECRET: &str = "secret ";

/// So many bytes of a secret are looked for, at each of its places: it may lie there in part.
const WINDOW: usize = 24;

/// What is told and no secret: what is in it as well is not looked for.
const PUBLIC: &str = "public";

fn disguised(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| byte ^ DISGUISE).collect();
    HEXLOWER.encode(&bytes)
}

fn undisguised(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(HEXLOWER.decode(text.as_bytes()).unwrap());
    bytes.iter_mut().for_each(|byte| *byte ^= DISGUISE);
    bytes
}

/// What the guest says, put together only there.
fn words(number: u32) -> String {
    format!("{number} is what this is about, says the guest {number}")
}

/// A guest as a program of its own. Does what it is told line by line and tells what happens; no
/// test, but started by the tests.
#[test]
#[ignore = "started by the other tests"]
fn guest() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let _ = anocm_guard::harden();
    anocm_core::witness::tell_to(|what, bytes| println!("{SECRET}{what}: {}", disguised(bytes)));
    runtime.block_on(async {
        let (to, mut orders) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            std::io::stdin()
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| to.blocking_send(line))
        });
        let (_client, mut room) = enter(&orders.recv().await.unwrap());
        let mut over = false;
        loop {
            tokio::select! {
                event = room.event(), if !over => match event {
                    Some(event) => tell(&event),
                    None => over = true,
                },
                order = orders.recv() => match order {
                    Some(order) => obey(&room, &order),
                    None => break,
                },
            }
        }
    });
}

fn enter(link_and_name: &str) -> (Client, Room) {
    let (link, name) = link_and_name.split_once(' ').unwrap();
    let (link, name) = (undisguised(link), undisguised(name));
    let invite = Invite::parse(std::str::from_utf8(&link).unwrap()).unwrap();
    let transport = Arc::new(WsTransport::new(invite.relay(), WsOptions::default()).unwrap());
    let (client, driver) = Client::new(invite.relay().clone(), transport, ClientConfig::default());
    tokio::spawn(driver.run());
    let room = client.join(&invite, std::str::from_utf8(&name).unwrap().parse().unwrap()).unwrap();
    (client, room)
}

fn tell(event: &RoomEvent) {
    match event {
        RoomEvent::Entered => println!("entered"),
        RoomEvent::Message(_) => println!("message"),
        RoomEvent::EpochBegan { .. } => println!("epoch"),
        RoomEvent::Ended(_) => println!("ended"),
        _ => {}
    }
}

fn obey(room: &Room, order: &str) {
    let (what, rest) = order.split_once(' ').unwrap_or((order, ""));
    let other = || {
        let view = room.view();
        view.members.iter().find(|member| Some(member.id) != view.me).unwrap().id
    };
    let command = match what {
        "say" => Command::Say { text: words(rest.parse().unwrap()), retention: None },
        "whisper" => {
            Command::Whisper { to: other(), text: words(rest.parse().unwrap()), retention: None }
        }
        "leave" => Command::Leave,
        _ => return room.wipe(),
    };
    room.command(command).unwrap();
}

/// The guest, as the tests see it.
struct Guest {
    child: Child,
    lines: Receiver<String>,
    secrets: Arc<Mutex<BTreeMap<String, Vec<Vec<u8>>>>>,
}

impl Guest {
    fn start(link: &str, name: &str) -> Self {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "guest", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let secrets = Arc::new(Mutex::new(BTreeMap::<_, Vec<_>>::new()));
        let (to, lines) = channel();
        let (output, into) = (BufReader::new(child.stdout.take().unwrap()), secrets.clone());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((what, bytes)) =
                    line.strip_prefix(SECRET).and_then(|told| told.split_once(": "))
                {
                    let bytes = undisguised(bytes);
                    into.lock()
                        .unwrap()
                        .entry(what.to_owned())
                        .or_default()
                        .extend(markers(&bytes));
                } else if to.send(line).is_err() {
                    return;
                }
            }
        });
        let mut guest = Self { child, lines, secrets };
        guest.order(&format!("{} {}", disguised(link.as_bytes()), disguised(name.as_bytes())));
        guest.wait("entered");
        guest
    }

    fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    fn wait(&self, line: &str) {
        while self.lines.recv_timeout(PATIENCE).unwrap() != line {}
    }

    /// What to look for: of the secrets that it told, and what is `known`.
    fn looked_for(&self, known: &[(&str, String)]) -> BTreeMap<String, Vec<Vec<u8>>> {
        let mut told = self.secrets.lock().unwrap().clone();
        let public: BTreeSet<_> = told.remove(PUBLIC).unwrap().into_iter().collect();
        for markers in told.values_mut() {
            markers.sort_unstable();
            markers.dedup();
            markers.retain(|marker| !public.contains(marker));
        }
        let known = known.iter().map(|(what, text)| {
            let text = text.as_bytes().to_vec();
            ((*what).to_owned(), vec![text])
        });
        told.extend(known);
        told
    }

    /// Where in its memory that is.
    fn holds(&self, known: &[(&str, String)]) -> BTreeMap<String, Vec<(String, usize)>> {
        let looked_for = self.looked_for(known).into_iter();
        let places = |markers: Vec<_>| occurrences(self.child.id(), &markers).unwrap();
        looked_for.map(|(what, markers)| (what, places(markers))).collect()
    }

    /// Whether anything of it is there once there was time to forget it.
    fn still_holds(&self, known: &[(&str, String)]) -> bool {
        let everything: Vec<_> = self.looked_for(known).into_values().flatten().collect();
        // Who is told of the end is told a moment before the connection is.
        // Nothing tells of another process's memory but looking again.
        (0..20).all(|_| {
            let holds = !occurrences(self.child.id(), &everything).unwrap().is_empty();
            if holds {
                std::thread::sleep(Duration::from_millis(100));
            }
            holds
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What to look for of a secret, or of a structure with secrets in it: all of it that is random.
fn markers(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let random = |window: &&[u8]| window.iter().collect::<BTreeSet<_>>().len() > WINDOW / 2;
    bytes.windows(WINDOW).filter(random).map(<[u8]>::to_vec)
}

/// What is known of a room without being told.
type Known = Vec<(&'static str, String)>;

/// Alice and the guest have talked, and everything is there to be found.
fn talked() -> (Server, Anocm, Guest, Known) {
    // Nothing that is looked for stands in the program, which is the same for tests and guest.
    let number = std::process::id();
    let name = format!("AliceOfTheLongName{number}");
    let own_name = format!("BobOfTheLongName{number}");
    let server = Server::start(&[]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    alice.say(&format!("/nick {name}"));
    alice.wait("renamed: ");
    let mut guest = Guest::start(&link, &own_name);
    alice.wait("joined: ");
    for n in 0..5 {
        guest.order(&format!("say {n}"));
        alice.wait(&words(n));
        alice.say(&format!("{number} times {n} Alice answers him"));
        guest.wait("message");
        guest.wait("message");
        // Epochs come and go with their keys.
        alice.say("/newlink");
        guest.wait("epoch");
    }
    guest.order("whisper 5");
    alice.wait(&words(5));
    alice.say(&format!("/w {own_name} {number} times Alice whispers to him"));
    guest.wait("message");
    guest.wait("message");

    let mut known = vec![
        ("name", name),
        ("own name", own_name),
        ("said", words(3)),
        ("heard", format!("{number} times 3 Alice answers him")),
        ("whispered", words(5)),
        ("whisper heard", format!("{number} times Alice whispers to him")),
    ];
    let before = guest.holds(&known);
    assert!(before.len() > known.len() + 7, "{:?}", before.keys());
    assert!(before.values().all(|places| !places.is_empty()), "{before:#?}");
    // The guest never shows it.
    known.push(("link", fragment(&link).to_owned()));
    (server, alice, guest, known)
}

/// When `end` has ended it for the guest, who lives on.
fn nothing_is_left_after(end: impl FnOnce(&mut Anocm, &mut Guest)) {
    let (_server, mut alice, mut guest, known) = talked();
    end(&mut alice, &mut guest);
    guest.wait("ended");
    assert!(!guest.still_holds(&known), "{:#?}", guest.holds(&known));
    assert!(guest.child.try_wait().unwrap().is_none());
}

#[test]
fn nothing_of_a_room_is_left_at_the_end_of_the_process() {
    if was_run_as_root("nothing_of_a_room_is_left_at_the_end_of_the_process") {
        return;
    }
    let (_server, _alice, mut guest, known) = talked();
    let exit = AtExit::of(guest.child.id());
    // No more orders: it drops everything and ends.
    drop(guest.child.stdin.take());
    exit.wait(PATIENCE);
    let everything: Vec<_> = guest.looked_for(&known).into_values().flatten().collect();
    assert_eq!(occurrences(guest.child.id(), &everything).unwrap(), []);
}

#[test]
fn nothing_of_a_room_is_left_after_leaving_it() {
    if !was_run_as_root("nothing_of_a_room_is_left_after_leaving_it") {
        nothing_is_left_after(|_, guest| guest.order("leave"));
    }
}

#[test]
fn nothing_of_a_room_is_left_after_wiping_it() {
    if !was_run_as_root("nothing_of_a_room_is_left_after_wiping_it") {
        nothing_is_left_after(|_, guest| guest.order("wipe"));
    }
}

#[test]
fn nothing_of_a_room_is_left_after_being_removed() {
    if !was_run_as_root("nothing_of_a_room_is_left_after_being_removed") {
        nothing_is_left_after(|alice, _| {
            alice.say(&format!("/kick BobOfTheLongName{}", std::process::id()));
        });
    }
}

#[test]
fn nothing_of_a_room_is_left_after_its_end() {
    if !was_run_as_root("nothing_of_a_room_is_left_after_its_end") {
        nothing_is_left_after(|alice, _| {
            alice.say("/burn");
            alice.say("/burn");
        });
    }
}
