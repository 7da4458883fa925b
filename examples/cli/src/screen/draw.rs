//! Draws the whole screen.

use anocm_core::{Timestamp, room::RoomView};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Position, Rect},
    style::{Modifier, Style},
    text::{Line, Span, Text},
    widgets::{Clear, Paragraph},
};
use unicode_width::UnicodeWidthStr as _;

use super::{head, look::Look, pages, rows, state::State};
use crate::members::label;

/// From this width on the members are shown beside the conversation.
const WIDE: u16 = 80;

/// Columns of the member list, without the line before it.
const MEMBERS: u16 = 26;

/// Draws the whole state at the time `now`.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, view: &RoomView, now: Timestamp) {
    let area = frame.area();
    // A cell that is not drawn keeps its previous content, and a cell that is reset keeps its bytes
    // in memory; only writing other bytes overwrites them.
    frame.render_widget(Clear, area);
    for cell in &mut frame.buffer_mut().content {
        cell.set_symbol(" ");
    }
    if let Some(page) = state.page {
        let [space, input] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
        let rows = pages::rows(page, state, view, space.width.into(), space.height.into());
        state.height = space.height.into();
        frame.render_widget(Paragraph::new(rows), space);
        return draw_input(frame, input, state, view);
    }
    let [top, middle, status, input] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let header = Text::from(head::header(view, state.look).to_vec());
    frame.render_widget(Paragraph::new(header).style(bar()), top);
    conversation(frame, middle, state, view, now);
    frame.render_widget(status_line(state, view), status);
    draw_input(frame, input, state, view);
}

fn bar() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

fn conversation(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &mut State,
    view: &RoomView,
    now: Timestamp,
) {
    let (talk, beside) = if area.width >= WIDE {
        let [talk, line, members] = Layout::horizontal([
            Constraint::Fill(1),
            Constraint::Length(1),
            Constraint::Length(MEMBERS),
        ])
        .areas(area);
        (talk, Some((line, members)))
    } else {
        (area, None)
    };
    if let Some((line, members)) = beside {
        let sign = state.look.sign("│", "|");
        let rule: Vec<_> = (0..line.height).map(|_| Line::styled(sign, Look::dim())).collect();
        frame.render_widget(Paragraph::new(rule), line);
        let list = head::members(state, view, members.width.into());
        frame.render_widget(Paragraph::new(list), members);
    }
    let rows = rows::visible(state, talk.width.into(), talk.height.into(), now);
    // The newest message is at the bottom.
    let above = talk.height.saturating_sub(u16::try_from(rows.len()).unwrap_or(u16::MAX));
    let bottom = Rect { y: talk.y + above, height: talk.height - above, ..talk };
    frame.render_widget(Paragraph::new(rows), bottom);
}

/// Shows who is typing, the number of queued messages, and whether there is more below.
fn status_line(state: &State, view: &RoomView) -> Line<'static> {
    let mut parts = Vec::new();
    match state.typing(view).as_slice() {
        [] => {}
        [one] => parts.push(format!("{} is typing", label(one))),
        several => parts.push(format!("{} are typing", several.len())),
    }
    if view.waiting > 0 {
        parts.push(format!("{} waiting to be sent", view.waiting));
    }
    if state.scroll > 0 {
        parts.push("PgDn for newer".to_owned());
    }
    Line::styled(parts.join(state.look.sign(" · ", " | ")), Look::dim())
}

/// Draws the input line, after how long the message will be kept.
fn draw_input(frame: &mut Frame<'_>, area: Rect, state: &State, view: &RoomView) {
    let kept = view.retention.choose(None, view.guest_retention);
    let prompt = format!("[{kept}] > ");
    let left = usize::from(area.width).saturating_sub(prompt.width());
    let (shown, cursor) = state.input.window(left);
    let column = u16::try_from(prompt.width() + cursor).unwrap_or(u16::MAX);
    let typed = if state.input.is_empty() && state.page.is_some() {
        Span::styled(pages::hint(state), Look::dim())
    } else if state.input.is_empty() && view.me.is_some() {
        Span::styled("a message, or /help", Look::dim())
    } else {
        Span::raw(shown.to_string())
    };
    let line = Line::from(vec![Span::styled(prompt, Look::dim()), typed]);
    frame.render_widget(line, area);
    let last = area.width.saturating_sub(1);
    frame.set_cursor_position(Position::new(area.x + column.min(last), area.y));
}

#[cfg(test)]
mod tests;
