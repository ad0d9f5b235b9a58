package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/debriefhq/debrief/workflows"
)

type migrateCmd struct {
	SkipTemporal bool `help:"Leave Temporal's search attributes alone: somebody else registers them."`
}

func (c *migrateCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "migrate")
	if err != nil {
		return err
	}
	applied, err := s.Migrate(ctx)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		a.say("The database is up to date.")
	} else {
		a.say("The database is migrated: %d versions applied.", len(applied))
	}
	if c.SkipTemporal {
		return nil
	}
	temporal, err := a.temporal(s, a.logger())
	if err != nil {
		return err
	}
	if err := registerSearchAttributes(ctx, temporal, a.TemporalNamespace); err != nil {
		return err
	}
	a.say("Temporal knows the search attributes.")
	return nil
}

// registerSearchAttributes tells Temporal what follow-ups can be searched by.
// What it knows already is left alone.
func registerSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, attribute := range []interface{ GetName() string }{workflows.FollowUpStatus, workflows.DebriefOrganization} {
		_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace:        namespace,
			SearchAttributes: map[string]enums.IndexedValueType{attribute.GetName(): enums.INDEXED_VALUE_TYPE_KEYWORD},
		})
		var exists *serviceerror.AlreadyExists
		if err != nil && !errors.As(err, &exists) {
			return fmt.Errorf("registering Temporal's search attribute %s: %w", attribute.GetName(), err)
		}
	}
	return nil
}
