//! How the server ends: what runs may finish, until the deadline or the second signal.

use super::*;

#[tokio::test]
async fn draining_finishes_running_answers_closes_idle_connections_and_takes_no_new_ones() {
    let slow = |request: Request<Body>, peer| async move {
        if request.uri().path() == "/slow" {
            sleep(ms(500)).await;
        }
        echo(request, peer).await
    };
    let server = Server::start(patient(), slow).await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    get(&mut idle, "/idle").await;
    read_until(&mut idle, "/idle").await;
    get(&mut busy, "/slow").await;
    sleep(ms(100)).await;

    server.shutdown.drain.cancel();
    assert!(time_to_close(&mut idle).await < ms(300), "an idle connection held up the shutdown");
    assert!(TcpStream::connect(server.address).await.is_err(), "a connection was accepted while draining");
    let answer = read_all(&mut busy).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("/slow"), "{answer}");
    server.has_stopped().await;
}

/// A server that never ends its answer, with one request under way.
async fn busy_for_ever(limits: Limits) -> (Server, TcpStream, mpsc::UnboundedReceiver<()>) {
    let (dropped, drops) = mpsc::unbounded_channel();
    let server = Server::start(limits, move |_, _| endless(Guard(dropped.clone()))).await;
    let mut stream = server.connect().await;
    get(&mut stream, "/").await;
    sleep(ms(100)).await;
    (server, stream, drops)
}

#[tokio::test]
async fn the_deadline_cuts_what_still_runs() {
    let (server, _stream, mut drops) = busy_for_ever(Limits { drain: ms(300), ..patient() }).await;
    let start = Instant::now();
    server.shutdown.drain.cancel();
    server.has_stopped().await;
    assert_about(start.elapsed(), ms(300));
    assert!(drops.try_recv().is_ok());
}

#[tokio::test]
async fn the_second_signal_cuts_at_once() {
    let (server, _stream, mut drops) = busy_for_ever(patient()).await;
    server.shutdown.drain.cancel();
    sleep(ms(100)).await;
    assert!(!server.task.is_finished() && drops.try_recv().is_err());
    server.shutdown.now.cancel();
    server.has_stopped().await;
    assert!(drops.try_recv().is_ok());
}
