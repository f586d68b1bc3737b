//! More connections than there are places, and many at once; requests that end a connection at once.

use super::*;

#[tokio::test]
async fn above_the_connection_limit_clients_wait() {
    let (server, gate) = held(1).await;
    let mut first = server.connect().await;
    get(&mut first, "/first").await;
    gate.wait_for_one().await;
    let mut second = server.connect().await;
    get(&mut second, "/second").await;
    assert!(timeout(ms(300), second.read_u8()).await.is_err(), "the second connection was served above the limit");
    gate.0.add_permits(2);
    // The first one's answer comes whole, and then it has to go: it has nothing under way any more.
    assert!(read_all(&mut first).await.ends_with("/first"));
    read_until(&mut second, "/second").await;
}

/// Permits to answer, and how many requests have come.
struct Gate(Arc<Semaphore>, Arc<Semaphore>);

impl Gate {
    /// Waits until one more request has come.
    async fn wait_for_one(&self) {
        timeout(LONG, self.1.acquire()).await.unwrap().unwrap().forget();
    }
}

/// A server with so many places that answers when it is let.
async fn held(connections: usize) -> (Server, Gate) {
    let gate = Gate(Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (may, came) = (gate.0.clone(), gate.1.clone());
    let answer = move |request, peer| {
        let (may, came) = (may.clone(), came.clone());
        async move {
            came.add_permits(1);
            may.acquire().await.unwrap().forget();
            echo(request, peer).await
        }
    };
    (Server::start(Limits { connections, ..patient() }, answer).await, gate)
}

#[tokio::test]
async fn who_has_waited_longest_makes_room() {
    let server = Server::start(Limits { connections: 2, ..patient() }, echo).await;
    let mut served = server.connect().await;
    get(&mut served, "/served").await;
    read_until(&mut served, "/served").await;
    let mut silent = server.connect().await;
    send(&mut silent, "GET /half").await;
    let mut third = server.connect().await;
    get(&mut third, "/third").await;
    read_until(&mut third, "/third").await;
    assert_eq!(read_all(&mut served).await, "", "it waited before the silent one came");
    let mut fourth = server.connect().await;
    get(&mut fourth, "/fourth").await;
    read_until(&mut fourth, "/fourth").await;
    assert_eq!(read_all(&mut silent).await, "", "half a head is no request");
    get(&mut third, "/again").await;
    read_until(&mut third, "/again").await;
}

#[tokio::test]
async fn what_two_servers_could_read_differently_is_refused_and_ends_the_connection() {
    let server = Server::start(patient(), echo).await;
    for head in [
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut stream = server.connect().await;
        send(&mut stream, &format!("{head}GET /behind HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answers = read_all(&mut stream).await;
        assert!(answers.starts_with("HTTP/1.1 400 ") && !answers.contains("/behind"), "{head}: {answers}");
    }
}

#[tokio::test]
async fn many_connections_are_served_at_once() {
    let slow = |request, peer| async move {
        sleep(ms(300)).await;
        echo(request, peer).await
    };
    let server = Server::start(patient(), slow).await;
    let start = Instant::now();
    let mut clients = Vec::new();
    for n in 0..100 {
        let mut stream = server.connect().await;
        clients.push(tokio::spawn(async move {
            get(&mut stream, &format!("/{n}")).await;
            read_until(&mut stream, &format!("/{n}")).await;
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    assert!(start.elapsed() < ms(300 * 20), "{:?}", start.elapsed());
}
