package model

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

// openAI speaks OpenAI's chat completions, as many servers do.
type openAI struct {
	chat    openai.ChatCompletionService
	name    string
	timeout time.Duration
}

func newOpenAI(c Config, client *http.Client) *openAI {
	options := []option.RequestOption{
		option.WithBaseURL(c.Endpoint), option.WithHTTPClient(client), option.WithMaxRetries(0),
	}
	if c.Key != "" {
		options = append(options, option.WithAPIKey(c.Key))
	}
	// Not the library's client: that takes keys, addresses and headers from the
	// environment.
	return &openAI{chat: openai.NewChatCompletionService(options...), name: c.Name, timeout: c.Timeout}
}

// Ask makes one request.
func (m *openAI) Ask(ctx context.Context, r Request) (Reply, error) {
	messages := []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(r.System)}
	for _, t := range r.Turns {
		if t.Answer {
			messages = append(messages, openai.AssistantMessage(t.Text))
		} else {
			messages = append(messages, openai.UserMessage(t.Text))
		}
	}
	timed, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	var response *http.Response
	completion, err := m.chat.New(timed, openai.ChatCompletionNewParams{
		Model: m.name, Messages: messages, MaxCompletionTokens: openai.Int(r.MaxTokens),
		ResponseFormat: openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "meeting", Strict: openai.Bool(true), Schema: r.Schema},
		}},
	}, option.WithResponseInto(&response))
	if err != nil {
		var status int
		var header http.Header
		if response != nil {
			status, header = response.StatusCode, response.Header
		}
		var api *openai.Error
		if errors.As(err, &api) {
			status = api.StatusCode
		}
		return Reply{}, failed(ctx, err, status, header)
	}
	reply := Reply{InputTokens: completion.Usage.PromptTokens, OutputTokens: completion.Usage.CompletionTokens}
	if len(completion.Choices) == 0 {
		return reply, &CallError{Failure: Cut, Reply: reply}
	}
	choice := completion.Choices[0]
	reply.Text = choice.Message.Content
	switch {
	case choice.Message.Refusal != "" || choice.FinishReason == "content_filter":
		return reply, &CallError{Failure: Refused, Reply: reply}
	case choice.FinishReason == "length":
		return reply, &CallError{Failure: Cut, Reply: reply}
	}
	return reply, nil
}
