//! A guest on the bench, and how the relay treats this guest only.

use crate::{
    id::{Epoch, MessageId},
    room::{Connection, Ended, Machine, RoomEvent, Ticket, Trouble},
    time::Timestamp,
    wire::{LogItem, Refusal, Reply, Request},
};

pub(super) type Answer = Result<Reply, Refusal>;

type Instead = Box<dyn FnMut(&Request) -> Option<Answer>>;
type Answers = Box<dyn FnMut(&Request, &mut Answer) -> bool>;
type Tells = Box<dyn FnMut(&mut LogItem) -> bool>;

/// Admits a guest to the room once it has come through the door: refuses its first proof, and the
/// owner's request for the current epoch.
pub(super) fn sent_to_the_door() -> impl FnMut(&Request) -> Option<Answer> {
    let mut refused = false;
    move |request| {
        let refuses = is_enter(request) && !std::mem::replace(&mut refused, true);
        let refuses = refuses || matches!(request, Request::Void { .. });
        refuses.then_some(Err(Refusal::NotAdmitted))
    }
}

/// A guest, as seen from outside.
pub(super) struct Guest {
    pub(super) machine: Machine,
    pub(super) events: Vec<RoomEvent>,
    /// The requests, and when each was sent.
    pub(super) asked: Vec<(Timestamp, Request)>,
    pub(super) connected: bool,
    pub(super) proven: Option<Epoch>,
    pub(super) watches: bool,
    /// Replies in place of the relay, which does not receive the request.
    pub(super) instead: Option<Instead>,
    /// Sees each reply of the relay, and may change it; false holds it back.
    pub(super) answers: Option<Answers>,
    /// Sees each delivered entry; false leaves it out.
    pub(super) tells: Option<Tells>,
    /// Replies that were held back.
    pub(super) late: Vec<(Ticket, Answer)>,
}

impl Guest {
    pub(super) fn new(machine: Machine) -> Self {
        Self {
            machine,
            events: Vec::new(),
            asked: Vec::new(),
            connected: false,
            proven: None,
            watches: false,
            instead: None,
            answers: None,
            tells: None,
            late: Vec::new(),
        }
    }

    /// From now on replies in place of the relay, where `instead` returns a reply.
    pub(super) fn instead(&mut self, instead: impl FnMut(&Request) -> Option<Answer> + 'static) {
        self.instead = Some(Box::new(instead));
    }

    /// From now on changes replies, or holds them back on false.
    pub(super) fn answers(&mut self, answers: impl FnMut(&Request, &mut Answer) -> bool + 'static) {
        self.answers = Some(Box::new(answers));
    }

    /// From now on changes delivered entries, or leaves them out on false.
    pub(super) fn tells(&mut self, tells: impl FnMut(&mut LogItem) -> bool + 'static) {
        self.tells = Some(Box::new(tells));
    }

    /// The relay is honest to this guest again.
    pub(super) fn honest(&mut self) {
        (self.instead, self.answers, self.tells) = (None, None, None);
    }

    /// Forgets all events and requests so far.
    pub(super) fn forget(&mut self) {
        self.events.clear();
        self.asked.clear();
    }

    pub(super) fn fetch(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.machine.poll_event()));
    }

    pub(super) fn proves(&mut self, request: &Request, answer: &Answer) {
        match (request, answer) {
            (Request::Create { .. }, Ok(_)) => {
                (self.proven, self.watches) = (Some(Epoch::FIRST), true);
            }
            (Request::Enter { epoch, .. }, Ok(Reply::Entered(entered))) => {
                self.proven = Some(*epoch);
                self.watches |= entered.current == *epoch;
            }
            _ => {}
        }
    }

    /// Returns the texts received and sent, in order.
    pub(super) fn heard(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match event {
            RoomEvent::Message(message) => Some(message.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Returns the messages on the screen: those received and not expired.
    pub(super) fn screen(&self) -> Vec<MessageId> {
        let mut screen = Vec::new();
        for event in &self.events {
            match event {
                RoomEvent::Message(message) => screen.push(message.id),
                RoomEvent::Expired { id } => screen.retain(|shown| shown != id),
                _ => {}
            }
        }
        screen
    }

    pub(super) fn troubles(&self) -> Vec<Trouble> {
        let troubles = self.events.iter().filter_map(|event| match event {
            RoomEvent::Trouble(trouble) => Some(*trouble),
            _ => None,
        });
        troubles.collect()
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.events.iter().find_map(|event| match event {
            RoomEvent::Ended(ended) => Some(*ended),
            _ => None,
        })
    }

    pub(super) fn is_online(&self) -> bool {
        self.machine.view().connection == Connection::Online
    }

    pub(super) fn members(&self) -> usize {
        self.machine.view().members.len()
    }

    /// Counts the requests of this kind.
    pub(super) fn count(&self, kind: impl Fn(&Request) -> bool) -> usize {
        self.asked.iter().filter(|(_, request)| kind(request)).count()
    }
}

/// Replies in this way to the first request of this kind.
pub(super) fn once(
    kind: impl Fn(&Request) -> bool + 'static,
    answer: Answer,
) -> impl FnMut(&Request) -> Option<Answer> + 'static {
    let mut answer = Some(answer);
    move |request| answer.take_if(|_| kind(request))
}

pub(super) const fn is_publish(request: &Request) -> bool {
    matches!(request, Request::Publish { .. })
}

pub(super) const fn is_commit(request: &Request) -> bool {
    matches!(request, Request::Publish { next: Some(_), .. })
}

pub(super) const fn is_look(request: &Request) -> bool {
    matches!(request, Request::Look { .. })
}

pub(super) const fn is_join(request: &Request) -> bool {
    matches!(request, Request::Join { .. })
}

pub(super) const fn is_enter(request: &Request) -> bool {
    matches!(request, Request::Enter { .. })
}

pub(super) const fn is_read(request: &Request) -> bool {
    matches!(request, Request::Read { .. })
}
