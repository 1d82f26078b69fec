//! One connection's state, and what its caller does to it.

use crate::model::{AmqpError, ErrorScope, FieldTable, ReplyCode};

use super::channel_table::{ChannelPhase, ChannelTable};
use super::content::PendingContent;
use super::event::ClientCapabilities;
use super::limits::WireLimits;
use super::out_buffer::OutBuffer;
use super::response::Response;

/// How far the connection is. In the phases called pending it is the caller's turn, and no input is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Header,
    StartPending,
    Starting,
    LoginPending,
    Securing,
    Tuning,
    Opening,
    OpenPending,
    Running,
    /// `connection.close` was written: nothing counts but the client's close and close-ok.
    Closing,
    /// Over, or out of step with the client: whatever comes is thrown away.
    Done,
}

/// A frame of which only the beginning came, and whose payload need not be held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartialFrame {
    pub kind: u8,
    pub channel: u16,
    /// Payload bytes.
    pub size: usize,
    /// Payload bytes that have not come.
    pub left: usize,
    /// Whether they belong to the channel's publish, or to nothing.
    pub kept: bool,
}

/// The server's side of one AMQP 0-9-1 connection, without I/O.
///
/// Feed it with [`Connection::next`]. On an error from there, call [`Connection::fail`] with channel 0 and flush. Then
/// close the socket if [`Connection::is_over`]; otherwise go on feeding it until
/// [`super::Event::ConnectionCloseOk`], or until it is over or the client has had time enough.
#[derive(Debug)]
pub struct Connection {
    pub(super) limits: WireLimits,
    pub(super) phase: Phase,
    /// Bytes taken before the connection was open.
    pub(super) early_bytes: usize,
    pub(super) frame_max: u32,
    pub(super) channel_max: u16,
    pub(super) heartbeat_s: u16,
    pub(super) capabilities: ClientCapabilities,
    pub(super) mechanism: Box<str>,
    pub(super) channels: ChannelTable,
    pub(super) partial: Option<PartialFrame>,
    /// The next frame is the one in which a fault was found.
    pub(super) at_faulty_frame: bool,
}

/// What is left to do after a refused login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// `connection.close` was written: flush it and await close-ok.
    CloseSent,
    /// The client cannot hear it: close the socket. RabbitMQ waits 3 s before, to slow down guessing.
    Silent,
}

impl Connection {
    /// A connection of which nothing has come yet.
    #[must_use]
    pub fn new(limits: WireLimits) -> Self {
        Self {
            phase: Phase::Header,
            early_bytes: 0,
            frame_max: limits.frame_max_before_tune_bytes,
            channel_max: limits.channel_max,
            heartbeat_s: limits.heartbeat_s,
            capabilities: ClientCapabilities::default(),
            mechanism: Box::default(),
            channels: ChannelTable::default(),
            partial: None,
            at_faulty_frame: false,
            limits,
        }
    }

    /// Writes `connection.start`, after [`super::Event::ProtocolHeader`]. `mechanisms` are names with spaces between.
    pub fn start(&mut self, server_properties: &FieldTable, mechanisms: &str, out: &mut OutBuffer) {
        if self.phase == Phase::StartPending {
            self.phase = Phase::Starting;
            Response::Start {
                server_properties,
                mechanisms,
                locales: "en_US",
            }
            .encode(0, out);
        }
    }

    /// Writes `connection.secure`, where the mechanism needs another response.
    pub fn secure(&mut self, challenge: &[u8], out: &mut OutBuffer) {
        if self.phase == Phase::LoginPending {
            self.phase = Phase::Securing;
            Response::Secure { challenge }.encode(0, out);
        }
    }

    /// The login is accepted: writes `connection.tune` with the limits' proposals.
    pub fn tune(&mut self, out: &mut OutBuffer) {
        if self.phase == Phase::LoginPending {
            self.phase = Phase::Tuning;
            let WireLimits {
                channel_max,
                frame_max_bytes: frame_max,
                heartbeat_s,
                ..
            } = self.limits;
            Response::Tune {
                channel_max,
                frame_max,
                heartbeat_s,
            }
            .encode(0, out);
        }
    }

    /// The login is refused: 403 if the client has said that it understands that (RabbitMQ: "Authentication Failure
    /// Notifications").
    pub fn refuse_login(&mut self, out: &mut OutBuffer) -> LoginRefusal {
        if !self.capabilities.authentication_failure_close {
            self.end();
            return LoginRefusal::Silent;
        }
        let mechanism = &self.mechanism;
        let text = format!(
            "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
        );
        self.write_close(&AmqpError::connection(ReplyCode::AccessRefused, text), out);
        LoginRefusal::CloseSent
    }

    /// The vhost may be used: writes `connection.open-ok`; channels may be opened from here on.
    pub fn open_ok(&mut self, out: &mut OutBuffer) {
        if self.phase == Phase::OpenPending {
            self.phase = Phase::Running;
            Response::OpenOk.encode(0, out);
        }
    }

    /// Ends what `error` ends: writes `channel.close` for `channel`, or `connection.close`. What the client sends
    /// there until it has heard it is passed over. Does nothing where that was written before.
    pub fn fail(&mut self, error: &AmqpError, channel: u16, out: &mut OutBuffer) {
        if error.scope == ErrorScope::Connection || channel == 0 {
            self.close_connection(error, out);
            return;
        }
        let running = self.phase == Phase::Running;
        let Some(channel) = self.channels.get_mut(channel).filter(|_| running) else {
            return;
        };
        if channel.phase != ChannelPhase::Closing {
            channel.phase = ChannelPhase::Closing;
            channel.content = None;
            let number = channel.number;
            let (code, text, method) = (error.code.number(), &*error.text, error.method);
            Response::ChannelClose { code, text, method }.encode(number, out);
        }
    }

    /// Writes `connection.close`, e.g. with 320 CONNECTION_FORCED; all channels are gone here.
    ///
    /// To a client that is not logged in nothing is said, as RabbitMQ does, except where it asked for too much in
    /// tune-ok: the connection is just over ([`Connection::is_over`]).
    pub fn close_connection(&mut self, error: &AmqpError, out: &mut OutBuffer) {
        match self.phase {
            Phase::Closing | Phase::Done => {}
            Phase::Opening | Phase::OpenPending | Phase::Running => self.write_close(error, out),
            Phase::Tuning if error.code == ReplyCode::NotAllowed => self.write_close(error, out),
            _ => self.end(),
        }
    }

    fn write_close(&mut self, error: &AmqpError, out: &mut OutBuffer) {
        self.end();
        self.phase = Phase::Closing;
        let (code, text, method) = (error.code.number(), &*error.text, error.method);
        Response::ConnectionClose { code, text, method }.encode(0, out);
    }

    pub(super) fn end(&mut self) {
        self.phase = Phase::Done;
        self.channels.clear();
    }

    /// Whether channels can be used.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether nothing more will come of this connection: flush what is to be written, and close the socket.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Channels that may be open at a time, 0 for no limit; the server's proposal until tuned.
    #[must_use]
    pub fn channel_max(&self) -> u16 {
        self.channel_max
    }

    /// Largest frame in bytes, in both directions, 0 for no limit; the bound before tuning until then.
    #[must_use]
    pub fn frame_max(&self) -> u32 {
        self.frame_max
    }

    /// Seconds between heartbeats, 0 for none; the server's proposal until tuned.
    #[must_use]
    pub fn heartbeat_s(&self) -> u16 {
        self.heartbeat_s
    }

    /// What the client can take; nothing until it has sent start-ok.
    #[must_use]
    pub fn capabilities(&self) -> ClientCapabilities {
        self.capabilities
    }

    /// Bytes of memory held for messages that have not come whole.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.channels
            .iter()
            .filter_map(|channel| channel.content.as_deref())
            .map(PendingContent::held_bytes)
            .sum()
    }

    /// Whether methods may be sent on the channel.
    #[must_use]
    pub fn is_open(&self, channel: u16) -> bool {
        self.channels
            .get(channel)
            .is_some_and(|channel| channel.phase == ChannelPhase::Open)
    }

    /// The open channels, in order of their numbers.
    pub fn open_channels(&self) -> impl Iterator<Item = u16> {
        self.channels
            .iter()
            .filter(|channel| channel.phase == ChannelPhase::Open)
            .map(|channel| channel.number)
    }
}
