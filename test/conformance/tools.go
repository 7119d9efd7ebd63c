//go:build tools

// Package tools pins the clients that the tests drive, by their published
// modules: go.sum says exactly what is built.
package tools

import _ "github.com/fullstorydev/grpcurl/cmd/grpcurl"
