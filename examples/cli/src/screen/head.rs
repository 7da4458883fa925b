//! The header and the list of members: the state of the room.

use anocm_core::{
    room::{Connection, Member, Role, RoomView},
    wire::Posture,
};
use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use super::{look::Look, state::State, wrap::cut};
use crate::{members::one_line, text};

/// Returns the two header rows: what matters for trust, and retention.
pub(super) fn header(view: &RoomView, look: Look) -> [Line<'static>; 2] {
    [row(trust(view, look), look), row(kept(view, look), look)]
}

fn row(parts: Vec<Span<'static>>, look: Look) -> Line<'static> {
    let between = Span::raw(look.sign(" · ", " | "));
    let mut spans = Vec::with_capacity(parts.len() * 2);
    for part in parts {
        if !spans.is_empty() {
            spans.push(between.clone());
        }
        spans.push(part);
    }
    Line::from(spans)
}

/// Warnings come first, where a narrow window does not cut them off.
fn trust(view: &RoomView, look: Look) -> Vec<Span<'static>> {
    let connection = text::connection(view.connection);
    let waits = matches!(view.connection, Connection::Waiting { .. });
    let mut parts = vec![(waits, connection)];
    if view.broken {
        parts.insert(0, (true, "ROOM BROKEN".to_owned()));
    }
    if view.me.is_none() {
        parts.push((false, "not in the room yet".to_owned()));
    } else {
        let (here, all) = (view.here.len(), view.members.len());
        parts.push((false, format!("{here} of {all} here")));
        parts.push(text::confirmation_label(view));
        let relay = match view.posture {
            Posture::Kept => "relay: memory only",
            Posture::Unknown => "relay: unknown",
            Posture::Broken => "relay: NOT memory only",
        };
        parts.push((view.posture == Posture::Broken, relay.to_owned()));
    }
    parts.sort_by_key(|(bad, _)| !bad);
    let name = Span::styled("anocm", Style::new().add_modifier(Modifier::BOLD));
    let shown = parts.into_iter().map(|(bad, text)| {
        let style = if bad { look.bad() } else { Style::new() };
        Span::styled(text, style)
    });
    std::iter::once(name).chain(shown).collect()
}

fn kept(view: &RoomView, look: Look) -> Vec<Span<'static>> {
    let mut parts = Vec::new();
    if let Some(code) = &view.safety {
        let code = if look.ascii { code.words().join(" ") } else { code.emoji().join(" ") };
        parts.push(Span::raw(format!("safety {code}")));
    }
    parts.push(Span::raw(text::keeps(view)));
    if let Some(cap) = view.guest_retention.cap {
        parts.push(Span::raw(format!("your cap {cap}")));
    }
    parts
}

/// Returns the list of members in `columns`: names, roles, and members with similar names.
pub(super) fn members(state: &State, view: &RoomView, columns: usize) -> Vec<Line<'static>> {
    let typing: Vec<_> = state.typing(view).into_iter().map(|member| member.id).collect();
    let mut rows = Vec::new();
    for member in &view.members {
        let here = view.here.contains(&member.id);
        rows.push(one(member, here, typing.contains(&member.id), columns, state.look));
        if member.look_alike {
            let warning = state.look.sign("  ⚠ looks like another", "  ! looks like another");
            rows.push(Line::styled(cut(warning, columns), state.look.bad()));
        }
    }
    rows
}

fn one(member: &Member, here: bool, typing: bool, columns: usize, look: Look) -> Line<'static> {
    let sign = if here { look.sign("● ", "* ") } else { look.sign("○ ", "- ") };
    let role = match member.role {
        Role::Owner => " owner",
        Role::Moderator => " mod",
        Role::Member => "",
    };
    let typing = if typing { look.sign(" ✎", " ...") } else { "" };
    let tag = format!(" #{}", member.tag);
    let taken = sign.width() + tag.width() + role.width() + typing.width();
    let name = cut(&one_line(member.nickname.as_str()), columns.saturating_sub(taken));
    let name_style = if here { look.name(member.colour) } else { Look::dim() };
    Line::from(vec![
        Span::styled(sign, Look::dim()),
        Span::styled(name, name_style),
        Span::styled(tag, Look::dim()),
        Span::raw(role),
        Span::raw(typing),
    ])
}
