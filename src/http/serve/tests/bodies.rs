//! Bodies that nobody reads, that are refused midway, that wait for permission, or that stall.

use super::*;

/// Sends all of a 20 MiB upload before it reads a byte, as Python's `http.client` does.
async fn upload(stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
    stream.write_all(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 20 * MIB).as_bytes()).await?;
    let piece = vec![b'x'; MIB];
    for _ in 0..20 {
        stream.write_all(&piece).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_upload_is_read_so_that_the_client_sees_why() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    upload(&mut stream, "/").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("who are you?"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn an_upload_refused_midway_is_read_to_its_end() {
    let too_large = |request: Request<Body>, _| async move {
        let mut body = request.into_body();
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
        }
        reply(StatusCode::PAYLOAD_TOO_LARGE, "too large")
    };
    let server = Server::start(patient(), too_large).await;
    let mut stream = server.connect().await;
    upload(&mut stream, "/").await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("too large"));
}

#[tokio::test]
async fn the_refusal_arrives_before_the_upload_has_ended() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst").await;
    read_until(&mut stream, "who are you?").await;
}

#[tokio::test]
async fn a_refused_upload_is_read_only_within_the_limits() {
    let discard = DiscardLimits { bytes: MIB as u64, ..patient().discard };
    let server = Server::start(Limits { discard, ..patient() }, refuse).await;
    assert!(upload(&mut server.connect().await, "/").await.is_err(), "20 MiB went through a limit of 1 MiB");

    let discard = DiscardLimits { silence: ms(300), ..patient().discard };
    let server = Server::start(Limits { discard, ..patient() }, refuse).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst").await;
    read_until(&mut stream, "who are you?").await;
    assert_about(time_to_close(&mut stream).await, ms(300));

    let discard = DiscardLimits { time: ms(400), ..patient().discard };
    let server = Server::start(Limits { discard, ..patient() }, refuse).await;
    let (mut reading, mut writing) = server.connect().await.into_split();
    writing.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
    let start = Instant::now();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            sleep(ms(50)).await;
        }
    });
    let _ = timeout(LONG, reading.read_to_end(&mut Vec::new())).await.unwrap();
    assert_about(start.elapsed(), ms(400));
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_small_unread_body_does_not_cost_the_connection() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        send(&mut stream, "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345").await;
        read_until(&mut stream, "who are you?").await;
        send(&mut stream, "67890").await;
    }
}

#[tokio::test]
async fn an_unread_body_without_a_length_is_announced_to_end_the_connection() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    assert!(read_until(&mut stream, "who are you?").await.contains("connection: close\r\n"));
    send(&mut stream, "0\r\n\r\n").await;
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn a_client_that_waits_for_permission_is_refused_without_it() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    let answer = read_until(&mut stream, "who are you?").await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close\r\n"), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_for_permission_is_told_to_go_on() {
    let server = Server::start(patient(), count).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut stream, "12345").await;
    assert!(read_until(&mut stream, "\r\n\r\n5").await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn an_upload_that_stalls_is_told_so() {
    let server = Server::start(Limits { read_stall: ms(300), ..patient() }, count).await;
    let mut stream = server.connect().await;
    let start = Instant::now();
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n12345").await;
    let answer = read_until(&mut stream, "seconds").await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("stalled"), "{answer}");
    assert_about(start.elapsed(), ms(300));
}

#[tokio::test]
async fn a_slow_upload_that_does_not_stall_goes_through() {
    let server = Server::start(Limits { head: ms(200), idle: ms(200), read_stall: ms(400), ..patient() }, count).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n").await;
    for _ in 0..10 {
        sleep(ms(100)).await;
        send(&mut stream, "x").await;
    }
    read_until(&mut stream, "\r\n\r\n10").await;
}
