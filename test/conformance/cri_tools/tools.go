//go:build tools

// Package tools pins what build_clients builds: crictl, critest (a test program
// of cri-tools, so its packages are named) and ginkgo, which runs critest's
// specs in parallel.
package tools

import (
	_ "github.com/onsi/ginkgo/v2/ginkgo"
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
	_ "sigs.k8s.io/cri-tools/pkg/benchmark"
	_ "sigs.k8s.io/cri-tools/pkg/validate"
)
