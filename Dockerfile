# syntax=docker/dockerfile:1

# One image holds the four commands: /collector, /viewer, /demo and /tracegen.
# They are static, so that nothing else is in it but the roots of trust.

FROM --platform=$BUILDPLATFORM golang:1.26.10-alpine AS build
WORKDIR /src
# The modules change less often than the source: they are a layer of their own.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags='-s -w' -o /out/ ./cmd/...
RUN mkdir /empty

FROM scratch
LABEL org.opencontainers.image.title="Waybill" \
      org.opencontainers.image.description="Collector, viewer, demo shop and trace generator for tracing microservices" \
      org.opencontainers.image.source="https://github.com/waybill-dev/waybill" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/ /
# A volume that is mounted at one of them for the first time gets this owner.
COPY --from=build --chown=65532:65532 /empty /data
COPY --from=build --chown=65532:65532 /empty /faults
COPY --from=build --chown=65532:65532 /empty /tmp
USER 65532:65532
WORKDIR /data
CMD ["/collector"]
