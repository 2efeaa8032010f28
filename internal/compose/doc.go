// Package compose holds tests of docker-compose.yml, of the Dockerfile, and of
// the configuration files that they put into containers. It needs no Docker:
// the files are read as Compose reads them.
package compose
