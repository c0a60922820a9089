// Every change is put in front of a linked list of which the audit page shows the latest twenty. The
// list is never cut.
//
// expect: leak
package main

import (
	"time"

	"scenarios/load"
)

type change struct {
	older *change
	who   string
	what  string
	at    time.Time
	diff  [48]byte
}

var latest *change

func audit(who, what string) {
	latest = &change{older: latest, who: who, what: what, at: time.Now()} // <- keeps
}

func main() {
	go load.Every(9000, func(number int) { audit("operator", "set price") })
	load.Serve()
}
