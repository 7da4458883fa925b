//! Renders items of the conversation as rows of the screen.

use anocm_core::{Timestamp, name::clean_text, room::Message};
use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    look::Look,
    state::{Item, State, What},
    wrap::{cut, wrap},
};
use crate::{
    duration::countdown,
    members::one_line,
    text::{self, EventText},
};

/// Columns for the remaining time, with a space before it.
const TIME: usize = 9;

/// Returns the rows that fill `height` at the current scroll position. Clamps the scroll position
/// to the available rows.
pub(super) fn visible(
    state: &mut State,
    width: usize,
    height: usize,
    now: Timestamp,
) -> Vec<Line<'static>> {
    let wanted = height + state.scroll;
    let mut rows: Vec<Line<'static>> = Vec::new();
    // From the newest upwards, so that the cost does not grow with the history.
    for item in state.items.iter().rev() {
        if rows.len() >= wanted {
            break;
        }
        rows.extend(of(item, width, now, state.look).into_iter().rev());
    }
    state.height = height;
    state.scroll = state.scroll.min(rows.len().saturating_sub(height));
    let mut rows: Vec<_> = rows.into_iter().skip(state.scroll).take(height).collect();
    rows.reverse();
    rows
}

fn of(item: &Item, width: usize, now: Timestamp, look: Look) -> Vec<Line<'static>> {
    match &item.what {
        What::Notice(notice) => notice_rows(notice, width, look),
        What::Said(message) => {
            let left = if item.counts_down() {
                countdown(item.until.saturating_duration_since(now))
            } else {
                "live".to_owned()
            };
            said_rows(message, &left, width, look)
        }
    }
}

fn notice_rows(notice: &EventText, width: usize, look: Look) -> Vec<Line<'static>> {
    let style = if notice.bad { look.bad() } else { Look::dim() };
    let text = format!("{}: {}", notice.word, notice.text);
    let indent = look.sign("· ", "- ");
    let columns = width.saturating_sub(2);
    wrap(&text, columns, columns)
        .into_iter()
        .enumerate()
        .map(|(n, row)| Line::styled(format!("{}{row}", if n == 0 { indent } else { "  " }), style))
        .collect()
}

fn said_rows(message: &Message, left: &str, width: usize, look: Look) -> Vec<Line<'static>> {
    let columns = width.saturating_sub(TIME).max(4);
    let head = head(message, columns, look);
    let used: usize = head.iter().map(|span| span.content.width()).sum();
    let text_style = if message.whispered_to.is_some() { Look::whisper() } else { Style::new() };
    // Continuation rows start with a bar, so that a text cannot imitate another message.
    let bar = look.sign("│ ", "| ");
    let text = clean_text(message.text.as_str()).replace('\t', " ");
    let texts = wrap(&text, columns.saturating_sub(used), columns.saturating_sub(2));
    let mut rows = Vec::with_capacity(texts.len());
    for (n, text) in texts.into_iter().enumerate() {
        let text = Span::styled(text, text_style);
        if n > 0 {
            let bar = Span::styled(bar, look.name(message.from.colour));
            rows.push(Line::from(vec![bar, text]));
            continue;
        }
        let taken = used + text.content.width();
        let gap = width.saturating_sub(taken + left.width());
        let mut spans = head.clone();
        spans.extend([
            text,
            Span::raw(" ".repeat(gap)),
            Span::styled(left.to_owned(), Look::dim()),
        ]);
        rows.push(Line::from(spans));
    }
    rows
}

/// Returns sender and recipient: `(whisper) Bob #M3XD: `.
fn head(message: &Message, columns: usize, look: Look) -> Vec<Span<'static>> {
    let whispered = whispered(message, columns);
    let tag = format!(" #{}: ", message.from.tag);
    let room = columns.saturating_sub(whispered.width() + tag.width());
    let name = cut(&one_line(message.from.nickname.as_str()), room.min(columns / 2));
    vec![
        Span::styled(whispered, Look::whisper()),
        Span::styled(name, look.name(message.from.colour)),
        Span::styled(tag, Look::dim()),
    ]
}

/// Returns as much of a whisper's mark as fits. Shortens the name rather than the tag, which
/// identifies the recipient.
fn whispered(message: &Message, columns: usize) -> String {
    let mark = text::whispered(message);
    let most = columns * 3 / 4;
    match &message.whispered_to {
        Some(to) if message.own && mark.width() > most => {
            let rest = format!("(to  #{}) ", to.tag);
            let name = one_line(to.nickname.as_str());
            let name = cut(&name, most.saturating_sub(rest.width()));
            cut(&format!("(to {name} #{}) ", to.tag), most)
        }
        _ => cut(&mark, most),
    }
}
