# The debrief binary and nothing else: no shell, no package manager, no root.
#
#   docker build --tag debrief:local .

# Built on the builder's own platform for the target's: Go cross-compiles faster
# than an emulator compiles.
FROM --platform=$BUILDPLATFORM golang:1.26.8-trixie AS build
WORKDIR /src

# Modules change more seldom than code: a layer of their own keeps them.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY . .
ARG TARGETOS TARGETARCH
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOCACHE=/go/cache GOFLAGS="-trimpath -mod=readonly"
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/cache \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags="-s -w" -o /out/debrief ./cmd/debrief

# One static program, for the health checks of docker-compose.yml.
FROM busybox:1.37.0-musl AS busybox

# Root certificates, time zones and a user named nonroot (65532).
FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=busybox /bin/wget /usr/local/bin/wget
COPY --from=build /out/debrief /usr/local/bin/debrief
COPY LICENSE /usr/share/doc/debrief/LICENSE
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/usr/local/bin/debrief"]
