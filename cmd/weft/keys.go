package main

import (
	"fmt"

	"github.com/weft-im/weft/auth"
)

// keysCmd makes the keys of a fabric that is to run as several processes.
type keysCmd struct {
	Dir string `arg:"" help:"Folder for them; keys that are there stay." placeholder:"DIR"`
}

// Run makes the keys that are missing.
func (c *keysCmd) Run() error {
	if _, err := auth.OpenKeys(c.Dir); err != nil {
		return err
	}
	fmt.Printf("The fabric's keys are in %s. Whoever has them can be anyone: copy them to the hosts of edges and of the users role,\n"+
		"each file readable by its owner only, and keep a copy elsewhere.\n", c.Dir)
	return nil
}
