//! Results as a table or as JSON, from the same values.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use serde::{Serialize, Serializer};

/// One measured value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Count(u64),
    /// A number and how many decimals to print.
    Real(f64, u8),
    Text(String),
    /// Not measured, or not available.
    Unknown,
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn shown(&self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Real(number, decimals) => format!("{number:.*}", usize::from(*decimals)),
            Self::Text(text) => text.clone(),
            Self::Unknown => "-".to_owned(),
        }
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<Option<u64>> for Value {
    fn from(count: Option<u64>) -> Self {
        count.map_or(Self::Unknown, Self::Count)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u64(*count),
            // Rounded as in the table, so that both show the same.
            Self::Real(..) => match self.shown().parse::<f64>() {
                Ok(rounded) => serializer.serialize_f64(rounded),
                Err(_) => serializer.serialize_none(),
            },
            Self::Text(text) => serializer.serialize_str(text),
            Self::Unknown => serializer.serialize_none(),
        }
    }
}

/// Named values in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row(Vec<(Cow<'static, str>, Value)>);

impl Row {
    pub(crate) fn new(measurement: &str) -> Self {
        Self::default().with("measurement", Value::text(measurement))
    }

    /// Appends a value.
    pub(crate) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// Appends the values of `more`.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Prints on standard output.
#[derive(Debug)]
pub(crate) struct Printer {
    json: bool,
    /// Width of each column of the current table.
    widths: Vec<usize>,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, widths: Vec::new() }
    }

    /// Begins another table.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        let is_first = self.widths.is_empty();
        self.widths.clear();
        if self.json || is_first { Ok(()) } else { say("\n") }
    }

    /// Prints the values one below the other.
    pub(crate) fn record(&self, row: &Row) -> io::Result<()> {
        let text = if self.json { json(row)? } else { record(row) };
        say(&text)
    }

    /// Prints a row of a table, with the names above the first one.
    pub(crate) fn line(&mut self, row: &Row) -> io::Result<()> {
        if self.json {
            return say(&json(row)?);
        }
        if self.widths.is_empty() {
            self.widths = row.0.iter().map(|(name, value)| width(name, value)).collect();
            let names = row.0.iter().map(|(name, _)| name.to_string());
            say(&columns(names, &self.widths))?;
        }
        say(&columns(row.0.iter().map(|(_, value)| value.shown()), &self.widths))
    }
}

fn json(row: &Row) -> io::Result<String> {
    let mut line = serde_json::to_string(row)?;
    line.push('\n');
    Ok(line)
}

fn record(row: &Row) -> String {
    let widest = row.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = row.0.iter().map(|(name, value)| format!("{name:widest$}  {}\n", value.shown()));
    lines.collect()
}

/// Returns the width of a column. Later values may be longer than the first.
fn width(name: &str, value: &Value) -> usize {
    let room = if matches!(value, Value::Text(_)) { 4 } else { 2 };
    name.len().max(value.shown().chars().count().saturating_add(room))
}

fn columns(cells: impl Iterator<Item = String>, widths: &[usize]) -> String {
    let padded = cells.zip(widths).map(|(cell, width)| format!("{cell:>width$}"));
    let mut line = padded.collect::<Vec<_>>().join("  ");
    line.push('\n');
    line
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row::new("fanout")
            .with("deliveries", 1_200)
            .with("cpu_us", Value::Real(7.349, 2))
            .with("files", None)
    }

    #[test]
    fn table_and_json_say_the_same() {
        assert_eq!(
            json(&row()).unwrap(),
            "{\"measurement\":\"fanout\",\"deliveries\":1200,\"cpu_us\":7.35,\"files\":null}\n"
        );
        assert_eq!(
            record(&row()),
            "measurement  fanout\ndeliveries   1200\ncpu_us       7.35\nfiles        -\n"
        );
    }

    #[test]
    fn columns_stand_under_their_names() {
        let row = row();
        let widths: Vec<_> = row.0.iter().map(|(name, value)| width(name, value)).collect();
        let names = columns(row.0.iter().map(|(name, _)| name.to_string()), &widths);
        let cells = columns(row.0.iter().map(|(_, value)| value.shown()), &widths);
        assert_eq!(names.len(), cells.len());
        assert_eq!(cells, "     fanout        1200    7.35      -\n");
    }

    #[test]
    fn what_is_no_number_is_null() {
        let row = Row::default().with("ratio", Value::Real(f64::NAN, 2));
        assert_eq!(json(&row).unwrap(), "{\"ratio\":null}\n");
    }
}
