# The image of steward: one static program, the certificate authorities of the web, and a user without a name.
#
#   docker build --build-arg VERSION="$(git describe --tags --always --dirty)" -t steward .
#   docker run --rm -p 127.0.0.1:8080:8080 -v steward:/data steward
#
# docker-compose.yml runs it with all other parts.

# The playground's page. Which packages it takes is fixed by package-lock.json.
FROM node:22.22.3-bookworm-slim AS playground
WORKDIR /playground
COPY playground/package.json playground/package-lock.json ./
RUN npm ci
COPY playground/ ./
RUN npm run build

# The program, with the page in it. The modules are a layer of their own: they change less often than the code.
FROM golang:1.26.8-bookworm AS build
WORKDIR /steward
ENV CGO_ENABLED=0 GOFLAGS=-buildvcs=false
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=playground /playground/dist/app playground/dist/app
ARG VERSION=unversioned
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/steward ./cmd/steward
# What the last stage has no shell to make: folders, of which a new volume takes over owner and mode.
RUN mkdir -p /root-of-image/data /root-of-image/certificates && mkdir -m 1777 /root-of-image/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /root-of-image/ /
COPY --from=build /out/steward /steward
USER 65532:65532
ENV STEWARD_LISTEN=0.0.0.0:8080 STEWARD_DATA=/data STEWARD_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/steward", "healthcheck"]
ENTRYPOINT ["/steward"]
CMD ["serve"]
