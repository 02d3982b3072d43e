package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weft-im/weft/contract"
)

// outputFlags say how a command tells what it has found.
type outputFlags struct {
	JSON bool `name:"json" help:"Tell it as JSON, for programs."`
}

// print tells v as JSON, or as table writes it: columns are parted by tabs.
func (f outputFlags) print(v any, table func(w *tabwriter.Writer)) error {
	if f.JSON {
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		_, err = fmt.Println(string(data))
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// at writes a time of Unix milliseconds.
func at(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateTime) }

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "-"
}

// operator is who runs the command, for the audit log: what the machine says, which is no proof.
func operator() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	if len(name) > contract.MaxBy {
		name = strings.ToValidUTF8(name[:contract.MaxBy], "")
	}
	return name
}
