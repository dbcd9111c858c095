//! [`Forwarder`]: the published ports of a service.
//!
//! ```text
//! client -> port of the host, listened on here -> one of the healthy tasks, in turn
//! ```
//!
//! The listening sockets live as long as the service, whatever its tasks do, so no client
//! is refused while tasks are replaced. While no task is healthy, connections are held for a
//! time. A connection stays with its task: a task is stopped when its connections have
//! ended, or when the time for that is over (the deregistration delay of a load balancer).
//!
//! Tasks are reached by their address in Docker's network and see the host as their client,
//! as behind Docker's own proxy.

use super::publish::Published;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long a connection is held while no task takes it.
const HOLD: Duration = Duration::from_secs(30);
/// How long one task may take to accept.
const CONNECT: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(100);

/// A task that takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Its id.
    pub(super) task_id: String,
    /// Where it listens, for each published port.
    pub(super) addresses: Vec<SocketAddr>,
}

#[derive(Debug, Default)]
struct Table {
    targets: Vec<Target>,
    /// Connections that are open, by task; also of tasks that take no more.
    open: Vec<(String, usize)>,
    turn: usize,
}

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<Table>,
    changed: Notify,
}

/// The listening sockets and where their connections go. Closed when it is dropped.
#[derive(Debug)]
pub(super) struct Forwarder {
    shared: Arc<Shared>,
    listening: Vec<JoinHandle<()>>,
}

impl Forwarder {
    /// Listens on every port, of all addresses of the host.
    ///
    /// # Errors
    /// The port that cannot be had, and why.
    pub(super) async fn bind(ports: &[Published]) -> Result<Self, (u16, io::Error)> {
        let mut bound = Vec::new();
        for port in ports {
            bound.push(bind(port.host_port).await.map_err(|e| (port.host_port, e))?);
        }
        let shared = Arc::new(Shared::default());
        let accept = |(index, listener)| tokio::spawn(accept(listener, index, Arc::clone(&shared)));
        let listening = bound.into_iter().enumerate().map(accept).collect();
        Ok(Self { shared, listening })
    }

    /// From now on these tasks take the connections, and no others.
    pub(super) fn set_targets(&self, targets: Vec<Target>) {
        self.shared.table().targets = targets;
        self.shared.changed.notify_waiters();
    }

    /// Waits until a task has no connection any more, at most for `limit`.
    pub(super) fn drained(
        &self,
        task_id: String,
        limit: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let end = Instant::now() + limit;
            while shared.table().open.iter().any(|(id, open)| *id == task_id && *open > 0)
                && Instant::now() < end
            {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Takes no more connections. Those that are open go on.
    pub(super) fn close(&mut self) {
        for listening in self.listening.drain(..) {
            listening.abort();
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task in turn, which counts one connection more from now on; nothing
    /// can come between the choice and the count.
    fn choose(self: &Arc<Self>, port: usize) -> Option<(SocketAddr, Open)> {
        let mut table = self.table();
        let turn = table.turn;
        table.turn = turn.wrapping_add(1);
        let at = turn.checked_rem(table.targets.len())?;
        let target = table.targets.get(at)?;
        let (address, task_id) = (*target.addresses.get(port)?, target.task_id.clone());
        match table.open.iter_mut().find(|(id, _)| *id == task_id) {
            Some((_, open)) => *open += 1,
            None => table.open.push((task_id.clone(), 1)),
        }
        Some((address, Open { shared: Arc::clone(self), task_id }))
    }
}

/// Counts as an open connection of a task.
struct Open {
    shared: Arc<Shared>,
    task_id: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        if let Some((_, open)) = table.open.iter_mut().find(|(id, _)| *id == self.task_id) {
            *open = open.saturating_sub(1);
        }
        table.open.retain(|(_, open)| *open > 0);
    }
}

async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        // A host without IPv6.
        Err(e) if e.kind() != io::ErrorKind::AddrInUse && e.kind() != io::ErrorKind::PermissionDenied => {
            TcpListener::bind(("0.0.0.0", port)).await
        }
        bound => bound,
    }
}

async fn accept(listener: TcpListener, port: usize, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(forward(client, port, Arc::clone(&shared)));
            }
            // Out of file descriptors, most likely; others may give some back.
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

async fn forward(mut client: TcpStream, port: usize, shared: Arc<Shared>) {
    let Some((mut task, open)) = connect(port, &shared).await else { return };
    let _ = (client.set_nodelay(true), task.set_nodelay(true));
    // However it ends, the connection is over for both sides.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut task).await;
    drop(open);
}

/// A connection to a task, or none when it has taken too long.
async fn connect(port: usize, shared: &Arc<Shared>) -> Option<(TcpStream, Open)> {
    let end = Instant::now() + HOLD;
    while Instant::now() < end {
        if let Some((address, open)) = shared.choose(port)
            && let Ok(Ok(task)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await
        {
            return Some((task, open));
        }
        let _ = tokio::time::timeout(RETRY, shared.changed.notified()).await;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A server that answers with one word and waits for the other side to end.
    async fn server(word: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(word.as_bytes()).await.unwrap();
                    let _ = stream.read(&mut [0; 1]).await;
                });
            }
        });
        address
    }

    fn target(task_id: &str, address: SocketAddr) -> Target {
        Target { task_id: task_id.to_owned(), addresses: vec![address] }
    }

    #[tokio::test]
    async fn connections_are_held_passed_on_and_counted() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let published = Published { host_port: port, container: "a".into(), container_port: 1 };
        let mut forwarder = Forwarder::bind(std::slice::from_ref(&published)).await.unwrap();
        assert_eq!(Forwarder::bind(&[published]).await.unwrap_err().0, port);

        // Nobody is there yet: the connection waits.
        let mut held = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        forwarder.set_targets(vec![target("old", server("old").await)]);
        let mut word = [0; 3];
        held.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"old");

        // One that has gone is passed over.
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        forwarder.set_targets(vec![target("gone", gone), target("new", server("new").await)]);
        for _ in 0..4 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"new");
        }

        // The first connection is the old one's still.
        let drained = forwarder.drained("old".into(), Duration::from_secs(60));
        let mut drained = std::pin::pin!(drained);
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut drained).await.is_err());
        drop(held);
        tokio::time::timeout(Duration::from_secs(5), drained).await.unwrap();

        forwarder.close();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    }
}
