//! A guest on the bench, and what the relay does to this one only.

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

/// A guest, as seen from outside.
pub(super) struct Guest {
    pub(super) machine: Machine,
    pub(super) events: Vec<RoomEvent>,
    /// What was asked, and when.
    pub(super) asked: Vec<(Timestamp, Request)>,
    pub(super) connected: bool,
    pub(super) proven: Option<Epoch>,
    pub(super) watches: bool,
    /// Answers instead of the relay, which does not see the request.
    pub(super) instead: Option<Instead>,
    /// Sees what the relay answered, and may change it; false holds it back.
    pub(super) answers: Option<Answers>,
    /// Sees what is told; false leaves it out.
    pub(super) tells: Option<Tells>,
    /// Answers that were held back.
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

    /// Answers instead of the relay from now on, where `instead` does.
    pub(super) fn instead(&mut self, instead: impl FnMut(&Request) -> Option<Answer> + 'static) {
        self.instead = Some(Box::new(instead));
    }

    /// Changes answers from now on, or holds them back: false.
    pub(super) fn answers(&mut self, answers: impl FnMut(&Request, &mut Answer) -> bool + 'static) {
        self.answers = Some(Box::new(answers));
    }

    /// Changes what is told from now on, or leaves it out: false.
    pub(super) fn tells(&mut self, tells: impl FnMut(&mut LogItem) -> bool + 'static) {
        self.tells = Some(Box::new(tells));
    }

    /// The relay is honest to this guest again.
    pub(super) fn honest(&mut self) {
        (self.instead, self.answers, self.tells) = (None, None, None);
    }

    /// Forgets what has happened and was asked so far.
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

    /// What was heard and said, in order.
    pub(super) fn heard(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match event {
            RoomEvent::Message(message) => Some(message.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// What is on the screen: what was told and is not expired.
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

    /// How often something of this kind was asked.
    pub(super) fn count(&self, kind: impl Fn(&Request) -> bool) -> usize {
        self.asked.iter().filter(|(_, request)| kind(request)).count()
    }
}

/// Answers the first request of this kind so.
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
