package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// KeyWrapper seals a keyset under a key that is kept elsewhere, such as in a
// KMS, so that the file or variable that holds the keyset is no key material in
// clear.
type KeyWrapper interface {
	// Wrap returns the keyset, wrapped.
	Wrap(ctx context.Context, keyset []byte) ([]byte, error)
	// Unwrap reverses Wrap.
	Unwrap(ctx context.Context, wrapped []byte) ([]byte, error)
}

// Command is a [KeyWrapper] that runs a program. The program is started without
// a shell and with one argument, "wrap" or "unwrap"; it reads the one form from
// standard input and writes the other to standard output. It has CommandTimeout
// for it. What it writes to standard error is dropped: nobody knows whether that
// holds key material.
//
// A program keeps every cloud's SDK out of Debrief, and its credentials with
// whoever runs it. For AWS, for instance, it would be
//
//	#!/bin/sh
//	set -eu
//	case "$1" in
//	wrap)   aws kms encrypt --key-id alias/debrief --plaintext fileb:///dev/stdin --query CiphertextBlob --output text ;;
//	unwrap) base64 -d | aws kms decrypt --ciphertext-blob fileb:///dev/stdin --query Plaintext --output text | base64 -d ;;
//	esac
//
// AWS KMS wraps 4,096 bytes at most (AWS KMS API Reference, Encrypt; read in
// November 2026), which is 17 keys.
type Command struct {
	// Path is the program.
	Path string
}

const (
	// CommandTimeout is how long a program of [Command] may take.
	CommandTimeout = 30 * time.Second
	// commandOutput is the most that it may write, in bytes.
	commandOutput = 1 << 20
)

// Wrap runs the program with "wrap".
func (c Command) Wrap(ctx context.Context, keyset []byte) ([]byte, error) {
	return c.run(ctx, "wrap", keyset)
}

// Unwrap runs the program with "unwrap".
func (c Command) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	return c.run(ctx, "unwrap", wrapped)
}

func (c Command) run(ctx context.Context, what string, in []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, CommandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Path, what) //nolint:gosec // the operator names it, and there is no shell
	cmd.Stdin = bytes.NewReader(in)
	out := &limited{left: commandOutput}
	cmd.Stdout = out
	// Its children may hold the pipes open after it was killed.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the keyset's program did not %s within %s: %w", what, CommandTimeout, ctx.Err())
	case out.full: // the program died of it, which is what err says
		return nil, fmt.Errorf("the keyset's program wrote more than %d bytes", commandOutput)
	case errors.As(err, &exit):
		return nil, fmt.Errorf("the keyset's program could not %s: it ended with code %d; run it by hand to see why", what, exit.ExitCode())
	case err != nil:
		return nil, fmt.Errorf("running the keyset's program: %w", err)
	case out.buffer.Len() == 0:
		return nil, fmt.Errorf("the keyset's program wrote nothing when it was asked to %s", what)
	}
	return out.buffer.Bytes(), nil
}

// limited is a buffer that refuses more than it may hold. (Not an embedded one:
// its ReadFrom would go round the limit.)
type limited struct {
	buffer bytes.Buffer
	left   int
	full   bool
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		l.full = true
		return 0, io.ErrShortWrite
	}
	l.left -= len(p)
	return l.buffer.Write(p)
}
