// Command steward serves Steward's API and operates its data directory; `steward help` lists the commands and settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"steward/internal/app"
	"steward/internal/config"
)

// version is set when the program is built.
var version = "unversioned"

// The exit codes.
const (
	exitDone  = 0
	exitFault = 1 // with one sentence on standard error
	exitUsage = 2
)

// commandLine is everything that a command line can say. Each command lies in a file of its name.
type commandLine struct {
	config.Flags

	Serve            serveCommand            `cmd:"" help:"Serve the API and the playground until interrupted."`
	Migrate          migrateCommand          `cmd:"" help:"Bring the database, and the schema of SpiceDB, up to date. serve does it to a data directory by itself."`
	Import           importCommand           `cmd:"" help:"Import data from files."`
	Reconcile        reconcileCommand        `cmd:"" help:"Compare what the rows mean with what SpiceDB holds."`
	Staff            staffCommand            `cmd:"" help:"Say who is one of the provider's people."`
	User             userCommand             `cmd:"" help:"Disable or enable a user."`
	Token            tokenCommand            `cmd:"" help:"Print a bearer token of the demo, or list its people."`
	SDL              sdlCommand              `cmd:"" name:"sdl" help:"Print the API's schema."`
	Healthcheck      healthcheckCommand      `cmd:"" help:"Ask whether the server is ready: exit code 0 where it is."`
	DemoIssuer       demoIssuerCommand       `cmd:"" help:"Serve the sign-in of a demo that has several replicas."`
	DemoCertificates demoCertificatesCommand `cmd:"" help:"Make the certificates that the parts of a demo speak TLS with."`
	Version          versionCommand          `cmd:"" help:"Print the version."`
	Help             struct{}                `cmd:"" help:"Print this, or the help of a command: steward help COMMAND."`
}

// environment is what a command runs in.
type environment struct {
	ctx      context.Context
	cfg      config.Config
	out, err io.Writer
}

// errReported ends a command with exit code 1 when it has said why itself.
var errReported = errors.New("reported")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out a command line and returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:], "--help")
	}
	var line commandLine
	helped := false
	parser, err := kong.New(&line, append(config.Options(),
		kong.Name("steward"),
		kong.Description("A GraphQL backend for customers' accounts and contacts, in which every field asks SpiceDB. Try it: steward serve --demo"),
		kong.Writers(out, errOut),
		kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.Exit(func(int) { helped = true }),
	)...)
	if err != nil {
		return fault(errOut, err)
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitDone
	}
	if bad, ok := errors.AsType[*config.FileError](err); ok {
		return fault(errOut, bad)
	}
	if err != nil {
		fmt.Fprintf(errOut, "steward: %s; `steward help` tells more\n", err)
		return exitUsage
	}
	cfg, err := line.Settings()
	if err != nil {
		return fault(errOut, err)
	}
	err = parsed.Run(&environment{ctx, cfg, out, errOut})
	if errors.Is(err, errReported) {
		return exitFault
	}
	if err != nil {
		return fault(errOut, err)
	}
	return exitDone
}

// printHelp prints the settings with the program's own help; that of a command has what is special to it.
func printHelp(o kong.HelpOptions, ctx *kong.Context) error {
	if !slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Command != nil }) {
		return kong.DefaultHelpPrinter(o, ctx)
	}
	for _, flag := range ctx.Model.Flags {
		flag.Hidden = flag.Hidden || len(flag.Envs) > 0
	}
	if err := kong.DefaultHelpPrinter(o, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(ctx.Stdout, "\nSettings, such as --data and --config, go with every command: `steward help` lists them.")
	return err
}

func fault(w io.Writer, err error) int {
	fmt.Fprintf(w, "steward: %s\n", app.Sentence(err))
	return exitFault
}

// log returns the log on standard error. least is the least severe level that is logged unless debug is asked for.
func (e *environment) log(least slog.Level) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(e.cfg.LogLevel)) // Validate has seen it
	if level != slog.LevelDebug {
		level = max(level, least)
	}
	o := &slog.HandlerOptions{Level: level}
	if e.cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(e.err, o))
	}
	return slog.New(slog.NewTextHandler(e.err, o))
}

// operate carries out a command on the data directory and prints what it did.
func (e *environment) operate(cmd app.Command) error {
	outcome, err := app.Operate(e.ctx, e.cfg, e.log(slog.LevelWarn), cmd)
	if err != nil {
		return err
	}
	for _, line := range outcome.Lines {
		fmt.Fprintln(e.out, line)
	}
	if outcome.Differs {
		return errReported
	}
	return nil
}
