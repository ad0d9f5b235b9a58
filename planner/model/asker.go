package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Ledger has each call written down before it is made, and how it ended.
type Ledger interface {
	// Begin may refuse the call with [OverBudget].
	Begin(ctx context.Context, c Call) (uuid.UUID, error)
	End(ctx context.Context, id uuid.UUID, r Result) error
}

// Call is a call that is about to be made.
type Call struct {
	// Part of Parts, and which try at it: both from 1.
	Part, Parts, Try int
	Request          Request
}

// Reserve is more tokens than the call can cost in nearly every text: a token has three
// bytes and more in most languages, and two in those that models know least.
func (c Call) Reserve() int64 { return int64(c.Request.size())/2 + c.Request.MaxTokens }

// Result is how a call ended. Failure is empty where there is an answer.
type Result struct {
	Failure Failure
	Status  int
	Reply   Reply
	Latency time.Duration
}

// Asker asks a model.
type Asker struct {
	Model  Model
	Ledger Ledger
	// Wait waits; nil sleeps. It is for tests.
	Wait func(ctx context.Context, d time.Duration) error
}

const (
	// mostTries is how often a call is made that the endpoint could not take.
	mostTries = 3
	// longestWait is how long a part waits for an endpoint that wants to be left
	// alone: a plan that waits for minutes is worse than one without a model.
	longestWait = 30 * time.Second
	// inAll bounds the whole question.
	inAll = 12 * time.Minute
)

// Ask asks a question, part by part, and merges the answers. What the model fails at
// is part of the answer, and no error; errors are the ledger's and the context's.
func (a Asker) Ask(ctx context.Context, q Question) (Answer, error) {
	timed, cancel := context.WithTimeout(ctx, inAll)
	defer cancel()
	answer := Answer{Parts: len(q.Parts) + q.Left}
	if q.Left > 0 {
		answer.Failure = TooLong
	}
	for i := range q.Parts {
		part, err := a.part(timed, q, i)
		if err != nil && ctx.Err() == nil && timed.Err() != nil {
			err = Slow
		}
		var failure Failure
		switch {
		case err == nil:
			answer.Heard++
			answer.merge(part)
		case errors.As(err, &failure):
			answer.Failure = failure
			if failure != Invalid && failure != Cut && failure != Refused {
				return answer, nil // the other parts would fare no better
			}
		default:
			return answer, err
		}
	}
	return answer, nil
}

// part asks about one part: once, once more where the answer can't be used, and
// again where the endpoint could not take the call.
func (a Asker) part(ctx context.Context, q Question, i int) (Answer, error) {
	request, repaired, tries := q.Parts[i], false, 0
	for call := 1; ; call++ {
		reply, err := a.call(ctx, Call{Part: i + 1, Parts: len(q.Parts), Try: call, Request: request})
		var failed *CallError
		switch {
		case err == nil:
			answer, strange, err := q.offer.parse(reply.Text)
			if err == nil && (len(strange) == 0 || repaired) {
				return answer, nil
			}
			if repaired {
				return Answer{}, Invalid
			}
			repaired, request = true, repair(q.Parts[i], reply.Text, err, strange)
		case !errors.As(err, &failed):
			return Answer{}, err
		case failed.Failure == Cut && !repaired:
			repaired, request = true, shorter(q.Parts[i])
		case failed.Failure == RateLimited || failed.Failure == Unavailable || failed.Failure == Slow:
			tries++
			pause := max(failed.RetryAfter, time.Duration(tries)*time.Second)
			if tries >= mostTries || pause > longestWait {
				return Answer{}, failed.Failure
			}
			if err := a.wait(ctx, pause); err != nil {
				return Answer{}, err
			}
		default:
			return Answer{}, failed.Failure
		}
	}
}

// Once makes one request that is no part of a question, and writes it down as the others.
// It is not tried again.
func (a Asker) Once(ctx context.Context, r Request) (Reply, error) {
	return a.call(ctx, Call{Part: 1, Parts: 1, Try: 1, Request: r})
}

func (a Asker) call(ctx context.Context, c Call) (Reply, error) {
	id, err := a.Ledger.Begin(ctx, c)
	if err != nil {
		return Reply{}, fmt.Errorf("writing a call of the model down: %w", err)
	}
	began := time.Now()
	reply, err := a.Model.Ask(ctx, c.Request)
	result := Result{Reply: reply, Latency: time.Since(began)}
	var failed *CallError
	switch {
	case errors.As(err, &failed):
		result.Failure, result.Status, result.Reply = failed.Failure, failed.Status, failed.Reply
	case err != nil:
		result.Failure = Slow
	}
	// Also where the caller is gone: what was sent was sent.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := a.Ledger.End(ending, id, result); err != nil {
		return Reply{}, fmt.Errorf("writing down how a call of the model ended: %w", err)
	}
	return reply, err
}

func (a Asker) wait(ctx context.Context, d time.Duration) error {
	if a.Wait != nil {
		return a.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// mostRepaired is how much of a bad answer is shown to the model again.
const mostRepaired = 20_000

// repair asks again, with what is wrong about the answer.
func repair(r Request, answer string, err error, strange []string) Request {
	var wrong string
	if err != nil {
		wrong = err.Error()
	}
	for _, s := range strange {
		wrong += "\n- " + s
	}
	if len(answer) > mostRepaired || answer == "" {
		answer = "(an answer that could not be read)"
	}
	r.Turns = append(append([]Turn(nil), r.Turns...),
		Turn{Answer: true, Text: answer},
		Turn{Text: "This answer can't be used: " + clean(wrong, 2_000) + "\nAnswer again with the whole JSON object, and name only what is in the lists."})
	return r
}

// shorter asks for less.
func shorter(r Request) Request {
	r.Turns = append([]Turn(nil), r.Turns...)
	last := &r.Turns[len(r.Turns)-1]
	last.Text += "\nYour last answer was too long and got cut off: answer with at most ten actions and five lines of recap."
	return r
}
