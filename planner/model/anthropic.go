package model

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// anthropicModel speaks Anthropic's messages.
type anthropicModel struct {
	messages anthropic.MessageService
	name     string
	timeout  time.Duration
}

func newAnthropic(c Config, client *http.Client) *anthropicModel {
	options := []option.RequestOption{
		option.WithBaseURL(c.Endpoint), option.WithHTTPClient(client), option.WithMaxRetries(0), option.WithRequestTimeout(c.Timeout),
		// Its traces may hold what is said.
		option.WithoutOpenTelemetry(),
	}
	if c.Key != "" {
		options = append(options, option.WithAPIKey(c.Key))
	}
	// Not the library's client: that takes credentials from the environment.
	return &anthropicModel{messages: anthropic.NewMessageService(options...), name: c.Name, timeout: c.Timeout}
}

// Ask makes one request.
func (m *anthropicModel) Ask(ctx context.Context, r Request) (Reply, error) {
	var turns []anthropic.MessageParam
	for _, t := range r.Turns {
		if t.Answer {
			turns = append(turns, anthropic.NewAssistantMessage(anthropic.NewTextBlock(t.Text)))
		} else {
			turns = append(turns, anthropic.NewUserMessage(anthropic.NewTextBlock(t.Text)))
		}
	}
	timed, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	var response *http.Response
	message, err := m.messages.New(timed, anthropic.MessageNewParams{
		Model: m.name, MaxTokens: r.MaxTokens, System: []anthropic.TextBlockParam{{Text: r.System}}, Messages: turns,
		OutputConfig: anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: r.Schema}},
	}, option.WithResponseInto(&response))
	if err != nil {
		var status int
		var header http.Header
		if response != nil {
			status, header = response.StatusCode, response.Header
		}
		var api *anthropic.Error
		if errors.As(err, &api) {
			status = api.StatusCode
		}
		return Reply{}, failed(ctx, err, status, header)
	}
	reply := Reply{InputTokens: message.Usage.InputTokens + message.Usage.CacheReadInputTokens + message.Usage.CacheCreationInputTokens, OutputTokens: message.Usage.OutputTokens}
	var text strings.Builder
	for _, block := range message.Content {
		if block.Type == "text" {
			text.WriteString(block.Text)
		}
	}
	reply.Text = text.String()
	if message.StopReason == anthropic.StopReasonRefusal {
		return reply, &CallError{Failure: Refused, Reply: reply}
	}
	if message.StopReason == anthropic.StopReasonMaxTokens || message.StopReason == anthropic.StopReasonModelContextWindowExceeded {
		return reply, &CallError{Failure: Cut, Reply: reply}
	}
	return reply, nil
}
