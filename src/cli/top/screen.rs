//! The live view in a terminal.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};
use ratatui::{DefaultTerminal, Frame};
use serde_json::Value;

use super::view::{CONNECTION_COLUMNS, QUEUE_COLUMNS, Snapshot};
use super::{Order, look};
use crate::cli::client::{Client, Failure};
use crate::cli::table::cell;

/// What keys have changed.
#[derive(Debug)]
struct Choice {
    order: Order,
    is_descending: bool,
    table: TableState,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing that needs the broker.
    Draw,
    /// A look at once.
    Look,
    /// The end.
    End,
}

/// Shows the broker until somebody has seen enough.
///
/// # Errors
/// The terminal cannot be used. A broker that is gone for a while is shown as such.
pub fn run(client: &Client, first: Snapshot, order: Order, interval: Duration) -> Result<(), Failure> {
    let mut terminal = ratatui::try_init().map_err(unusable)?;
    let shown = show(&mut terminal, client, first, order, interval);
    ratatui::restore();
    shown.map_err(unusable)
}

fn unusable(error: std::io::Error) -> Failure {
    Failure::Use(format!(
        "the terminal cannot be used: {error}; --once prints one snapshot"
    ))
}

fn show(
    terminal: &mut DefaultTerminal,
    client: &Client,
    mut snapshot: Snapshot,
    order: Order,
    interval: Duration,
) -> std::io::Result<()> {
    let mut choice = Choice {
        order,
        is_descending: order.is_descending(),
        table: TableState::default().with_selected(0),
    };
    let mut trouble = None;
    let mut looked = Instant::now();
    loop {
        terminal.draw(|frame| draw(frame, &snapshot, trouble.as_deref(), &mut choice))?;
        let mut next = Next::Look;
        if event::poll(interval.saturating_sub(looked.elapsed()))? {
            next = match event::read()? {
                Event::Key(key) => choice.press(key),
                _ => Next::Draw,
            };
        }
        match next {
            Next::Draw => {}
            Next::End => return Ok(()),
            Next::Look => {
                looked = Instant::now();
                match look(client, choice.order, choice.is_descending) {
                    Ok(new) => (snapshot, trouble) = (new, None),
                    Err(failure) => trouble = Some(failure.to_string()),
                }
            }
        }
    }
}

impl Choice {
    fn press(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Draw;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => Next::End,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Next::End,
            KeyCode::Char('d') => self.sort(Order::Depth),
            KeyCode::Char('p') => self.sort(Order::Publish),
            KeyCode::Char('c') => self.sort(Order::Deliver),
            KeyCode::Char('n') => self.sort(Order::Name),
            KeyCode::Char('r') => {
                self.is_descending = !self.is_descending;
                Next::Look
            }
            KeyCode::Char(' ') => Next::Look,
            KeyCode::Down | KeyCode::Char('j') => {
                self.table.select_next();
                Next::Draw
            }
            KeyCode::Up | KeyCode::Char('k') => {
                self.table.select_previous();
                Next::Draw
            }
            _ => Next::Draw,
        }
    }

    fn sort(&mut self, order: Order) -> Next {
        self.order = order;
        self.is_descending = order.is_descending();
        Next::Look
    }
}

fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, trouble: Option<&str>, choice: &mut Choice) {
    let shown_connections = snapshot.connections.len().min(6) as u16;
    let [head, queues, connections, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(4),
        Constraint::Length(shown_connections + 2),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [node, messages, alarms] = snapshot.head().map(Line::from);
    let alarms = match (trouble, snapshot.alarms.is_empty()) {
        (Some(trouble), _) => Line::from(trouble.replace('\n', " ")).red().bold(),
        (None, true) => alarms.green(),
        (None, false) => alarms.red().bold(),
    };
    frame.render_widget(Paragraph::new(Text::from(vec![node.bold(), messages, alarms])), head);
    let title = format!(" queues by {} ", choice.order.column());
    let table = table(&title, &QUEUE_COLUMNS, &snapshot.queue_rows());
    let table = table.row_highlight_style(Style::new().reversed());
    frame.render_stateful_widget(table, queues, &mut choice.table);
    draw_connections(frame, connections, snapshot);
    let keys = "d depth  p publish  c deliver  n name  r reverse  arrows move  space now  q quit";
    frame.render_widget(Line::from(keys).dim(), foot);
}

fn draw_connections(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let table = table(
        " connections by bytes in ",
        &CONNECTION_COLUMNS,
        &snapshot.connection_rows(),
    );
    frame.render_widget(table, area);
}

fn table<'a>(title: &str, columns: &[&'a str], rows: &[Vec<Value>]) -> Table<'a> {
    // Names take what numbers leave.
    let widths = columns.iter().map(|column| match *column {
        "name" => Constraint::Fill(3),
        "vhost" | "user" | "state" => Constraint::Fill(1),
        other => Constraint::Length(other.len().max(9) as u16),
    });
    let shown = |value: &Value| {
        let text = Text::from(cell(value));
        Cell::from(if value.is_number() { text.right_aligned() } else { text })
    };
    let rows = rows.iter().map(|row| Row::new(row.iter().map(shown)));
    Table::new(rows, widths)
        .header(Row::new(columns.iter().map(|column| Cell::from(*column))).bold())
        .block(Block::new().title(title.to_owned()))
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            overview: json!({
                "node": "warren@a", "product_version": "1", "queue_totals": { "messages_ready": 7 },
                "message_stats": { "publish_details": { "rate": 2.25 } },
            }),
            alarms: vec![json!({ "resource": "disk" })],
            queues: vec![
                json!({ "vhost": "/", "name": "orders\u{1b}[2J\r\n", "messages": 7, "state": "running" }),
                json!({ "vhost": "/", "name": "mail", "messages": 1, "state": "paused" }),
            ],
            connections: vec![
                json!({ "name": "a -> b", "user": "guest", "state": "blocked", "blocked_by": ["disk"] }),
                json!({ "name": "c -> b", "user_provided_name": "billing", "state": "running" }),
            ],
        }
    }

    fn drawn(trouble: Option<&str>) -> String {
        let mut terminal = Terminal::new(TestBackend::new(120, 20)).unwrap();
        let mut choice = Choice {
            order: Order::Depth,
            is_descending: true,
            table: TableState::default().with_selected(0),
        };
        terminal
            .draw(|frame| draw(frame, &snapshot(), trouble, &mut choice))
            .unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_screen_shows_queues_connections_and_alarms() {
        let screen = drawn(None);
        for shown in [
            "warren@a 1",
            "publish 2.2/s",
            "ALARM: disk",
            "mail (paused)",
            "a -> b",
            "blocked: disk",
            "billing",
            "q quit",
        ] {
            assert!(screen.contains(shown), "no {shown} in {screen}");
        }
        assert!(screen.contains("orders\\u{1b}[2J\\r\\n"), "escaped: {screen}");
        assert!(!screen.contains('\u{1b}'));
        assert!(drawn(Some("no broker answers")).contains("no broker answers"));
    }

    #[test]
    fn keys_sort_move_and_end() {
        let mut choice = Choice {
            order: Order::Depth,
            is_descending: true,
            table: TableState::default().with_selected(0),
        };
        let mut press = |code| choice.press(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(press(KeyCode::Char('n')), Next::Look);
        assert_eq!(press(KeyCode::Down), Next::Draw);
        assert_eq!(press(KeyCode::Char('q')), Next::End);
        assert_eq!(press(KeyCode::Esc), Next::End);
        assert_eq!((choice.order, choice.is_descending), (Order::Name, false));
        assert_eq!(choice.table.selected(), Some(1));
        choice.press(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::NONE));
        assert!(choice.is_descending);
        let end = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(choice.press(end), Next::End);
        assert_eq!(
            choice.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)),
            Next::Look
        );
        assert_eq!(choice.order, Order::Deliver);
    }
}
