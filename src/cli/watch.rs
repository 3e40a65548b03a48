//! `nonstop status --watch`: the status again each second, in place, across restarts of the daemon.

use super::args::Places;
use super::ask::{ask_status, client, now};
use super::failure::colors;
use super::{Env, Exit, Failure};
use crate::control::Status;
use crate::control::ink::{self, Line, Style};
use crate::control::text::render_text;
use crate::host::signals::{Event, Signals};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const EVERY: Duration = Duration::from_secs(1);

/// Shows the status until a signal ends it.
pub(super) async fn watch(places: &Places, json: bool, env: Env<'_>) -> Result<Exit, Failure> {
    let client = client(places, env)?;
    let mut signals = Signals::new()?;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let color = colors(&io::stdout(), env);
    let mut screen = Screen::enter(io::stdout(), !json && io::stdout().is_terminal())?;
    let show = async {
        loop {
            ticks.tick().await;
            let answer = ask_status(&client).await;
            let (width, height) = size();
            match (json, &answer) {
                (false, _) => screen.draw(&frame(&answer, width, color), height)?,
                (true, Ok(status)) => {
                    screen.line(&serde_json::to_string(status).map_err(io::Error::from)?)?;
                }
                // A script sees no line for a second in which nobody runs.
                (true, Err(_)) => {}
            }
        }
    };
    let ended = async { while signals.next().await == Event::Reload {} };
    tokio::select! {
        result = show => result,
        () = ended => Ok(Exit::Done),
    }
}

/// What is shown: the status, or why there is none.
fn frame(answer: &Result<Box<Status>, Failure>, width: usize, color: bool) -> String {
    match answer {
        Ok(status) => render_text(status, now().max(status.time), width, color),
        Err(failure) => {
            let style = |i| if i == 0 { Style::Bad } else { Style::Plain };
            let why = failure.message.lines().enumerate().map(|(i, line)| Line::new().put(style(i), line));
            let wait = [Line::new(), Line::new().put(Style::Dim, "waiting for it; Ctrl-C ends this")];
            ink::print(&why.chain(wait).collect::<Vec<_>>(), width, color)
        }
    }
}

fn size() -> (usize, usize) {
    terminal_size::terminal_size_of(io::stdout())
        .map_or((80, usize::MAX), |(width, height)| (width.0.into(), height.0.into()))
}

/// The terminal's second screen, without a cursor; the first one is back when this is dropped.
struct Screen<W: Write> {
    out: W,
    terminal: bool,
}

impl<W: Write> Screen<W> {
    fn enter(mut out: W, terminal: bool) -> io::Result<Self> {
        if terminal {
            out.write_all(b"\x1b[?1049h\x1b[?25l")?;
        }
        Ok(Self { out, terminal })
    }

    /// Draws over what is there, line by line, so that nothing flickers.
    fn draw(&mut self, frame: &str, height: usize) -> io::Result<()> {
        if !self.terminal {
            return self.line(frame);
        }
        let lines: Vec<&str> = frame.lines().take(height).collect();
        write!(self.out, "\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))?;
        self.out.flush()
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        if self.terminal {
            // On the way out; a terminal that is gone needs nothing any more.
            let _ = self.out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| self.out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::status::tests::on_air;

    #[test]
    fn a_terminal_gets_its_screen_and_cursor_back() {
        let mut out = Vec::new();
        let mut screen = Screen::enter(&mut out, true).unwrap();
        screen.draw("one\ntwo\nthree\n", 2).unwrap();
        drop(screen);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "\x1b[?1049h\x1b[?25l\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J\x1b[?25h\x1b[?1049l");
    }

    #[test]
    fn a_file_gets_frames_and_no_control_sequences() {
        let mut out = Vec::new();
        let mut screen = Screen::enter(&mut out, false).unwrap();
        screen.draw(&frame(&Ok(Box::new(on_air())), 80, false), 3).unwrap();
        drop(screen);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("Knalgan Theme") && text.contains("library") && !text.contains('\x1b'),
            "{text}"
        );
    }

    #[test]
    fn a_daemon_that_is_away_is_waited_for() {
        let away = Failure::new(Exit::Unavailable, "nonstop is not running").hint("start it");
        assert_eq!(
            frame(&Err(away), 80, false),
            "nonstop is not running\n\nhint: start it\n\nwaiting for it; Ctrl-C ends this\n"
        );
    }
}
