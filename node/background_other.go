//go:build !unix

package node

import "os/exec"

func inBackground(*exec.Cmd) {}

func standBack(int) error { return nil }
