# Cheeseshop in a container.
#
#   docker build -t cheeseshop .
#   docker run -d --name cheeseshop -p 3141:3141 -v cheeseshop:/data cheeseshop
#   docker logs cheeseshop          # the first start prints root's password, this once
#
# Settings are environment variables, see docs/configuration.md; docs/operations.md has more about containers.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY migrations migrations
COPY src src
COPY static static
COPY templates templates
RUN cargo build --release --locked --bin cheeseshop

# The image mirrors the index that the pip of its own build installs from, unless it is told otherwise when it runs.
# Credentials are never stored. `--build-arg PIP_INDEX_URL=…` names another one.
FROM python:3.14-slim-bookworm AS upstream
ARG PIP_INDEX_URL
COPY --from=build /src/target/release/cheeseshop /usr/local/bin/cheeseshop
RUN address=$(cheeseshop upstream) && printf '[global]\nindex-url = %s\n' "$address" > /pip.conf

FROM debian:bookworm-slim
RUN groupadd --gid 10001 cheeseshop \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin cheeseshop \
    && install -d -o cheeseshop -g cheeseshop -m 0700 /data
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/cheeseshop /usr/local/bin/cheeseshop
COPY --from=upstream /pip.conf /etc/cheeseshop/pip.conf
ENV CHEESESHOP_DATA_DIR=/data \
    CHEESESHOP_LISTEN=0.0.0.0:3141 \
    PIP_CONFIG_FILE=/etc/cheeseshop/pip.conf
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 3141
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["cheeseshop", "healthcheck"]
ENTRYPOINT ["cheeseshop"]
CMD ["serve"]
