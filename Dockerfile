# Nestor in a container: built on Debian 12 with Debian's packages, run on Debian 12 slim by a user
# without rights. The root file system may be read-only; /var/lib/nestor is all that is written to.
#   docker build -t nestor .
#   docker run -p 127.0.0.1:7700:7700 -v nestor-data:/var/lib/nestor --read-only nestor
FROM debian:12-slim AS build
WORKDIR /src
COPY dev ./
RUN ./dev deps && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake -S . -B build/release -G Ninja -DCMAKE_BUILD_TYPE=Release \
 && cmake --build build/release --target nestord nestor \
 && strip build/release/server/nestord build/release/client/nestor

FROM debian:12-slim
LABEL org.opencontainers.image.title="Nestor" \
      org.opencontainers.image.description="Vector search server for nested embeddings" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libabsl20220623 libgomp1 libgrpc++1.51 libopenblas0-pthread libprotobuf32 librocksdb7.8 \
      libspdlog1.10 \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/nestor
COPY --from=build /src/build/release/server/nestord /src/build/release/client/nestor /usr/bin/
COPY deploy/nestord.toml /etc/nestor/nestord.toml
USER 10001:10001
VOLUME /var/lib/nestor
EXPOSE 7700
STOPSIGNAL SIGTERM
# Loading a big collection takes its time; until then the server says NOT_SERVING.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
  CMD ["nestor", "health", "--timeout", "3"]
# Words after the image's name are flags, which go before the file; `verify` checks the data.
ENTRYPOINT ["nestord", "--config", "/etc/nestor/nestord.toml"]
