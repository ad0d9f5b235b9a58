package temporaldev

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/resolver"
	dbschemas "go.temporal.io/server/schema"
	postgresschema "go.temporal.io/server/schema/postgresql/v12"
)

const (
	// postgresShards is what docker-compose.yml has. One writes one transaction at a
	// time, each with a flush of the disk.
	postgresShards = 4
	// postgresConns is for each of the four services and each of the two databases, of
	// which few services use many.
	postgresConns = 20
)

// preparePostgres makes the two databases, unless they are there.
func (s *Server) preparePostgres() error {
	for _, part := range []struct {
		to                      **config.SQL
		database, name, version string
	}{
		{&s.database, "temporal", "temporal", postgresschema.Version},
		{&s.visibility, "temporal_visibility", "visibility", postgresschema.VisibilityVersion},
	} {
		store, err := postgresStore(s.opts.Postgres, part.database)
		if err != nil {
			return err
		}
		if err := s.setUpPostgres(store, part.name, part.version); err != nil {
			return fmt.Errorf("making the database %s: %w", part.database, err)
		}
		*part.to = store
	}
	return nil
}

// postgresStore reads a URL as the server wants to have it.
func postgresStore(address, database string) (*config.SQL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the URL of PostgreSQL can't be read") // it has a password
	}
	password, _ := u.User.Password()
	attributes := map[string]string{}
	for name := range u.Query() {
		attributes[name] = u.Query().Get(name)
	}
	return &config.SQL{
		PluginName: postgresql.PluginNamePGX, DatabaseName: database,
		ConnectAddr: u.Host, ConnectProtocol: "tcp", ConnectAttributes: attributes, User: u.User.Username(), Password: password,
		MaxConns: postgresConns, MaxIdleConns: postgresConns,
	}, nil
}

// setUpPostgres makes one database with its tables. The version is written last: a
// database without one is unfinished, and made anew.
func (s *Server) setUpPostgres(store *config.SQL, name, version string) error {
	server := *store
	server.DatabaseName = "postgres"
	outside, err := s.admin(&server)
	if err != nil {
		return err
	}
	defer func() { _ = outside.Close() }()
	if err := outside.CreateDatabase(store.DatabaseName); err != nil {
		return err
	}
	found, err := s.postgresVersion(store)
	switch {
	case err == nil && found == version:
		return nil
	case err == nil:
		return fmt.Errorf("it has the schema %q and this server needs %q: drop it", found, version)
	}
	if err := errors.Join(outside.DropDatabase(store.DatabaseName), outside.CreateDatabase(store.DatabaseName)); err != nil {
		return err
	}
	db, err := s.admin(store)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	schema, err := fs.ReadFile(dbschemas.Assets(), "postgresql/v12/"+name+"/schema.sql")
	if err != nil {
		return fmt.Errorf("reading the schema: %w", err)
	}
	statements, err := persistence.LoadAndSplitQueryFromReaders([]io.Reader{bytes.NewReader(schema)})
	if err != nil {
		return fmt.Errorf("reading the schema: %w", err)
	}
	for _, statement := range statements {
		if err := db.Exec(statement); err != nil {
			return fmt.Errorf("making the tables: %w", err)
		}
	}
	if err := db.CreateSchemaVersionTables(); err != nil {
		return err
	}
	return db.UpdateSchemaVersion(store.DatabaseName, version, version)
}

func (s *Server) postgresVersion(store *config.SQL) (string, error) {
	db, err := s.admin(store)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	return db.ReadSchemaVersion(store.DatabaseName)
}

func (s *Server) admin(store *config.SQL) (sqlplugin.AdminDB, error) {
	db, err := sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, store, resolver.NewNoopResolver(), s.logger, metrics.NoopMetricsHandler)
	if err != nil {
		return nil, fmt.Errorf("reaching PostgreSQL: %w", err)
	}
	return db, nil
}
