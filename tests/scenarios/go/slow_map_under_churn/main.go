// 50 KB/s stay in a map of feature usage per user under 50 MB/s of healthy churn.
//
// expect: unbounded-map
// window: 120
package main

import (
	"fmt"
	"sync"

	"scenarios/load"
)

var usage = struct {
	sync.Mutex
	byUser map[string]int
}{byUser: map[string]int{}}

func count(user, feature string) {
	key := user + "/" + feature // <- keeps
	usage.Lock()
	usage.byUser[key]++ // <- keeps
	usage.Unlock()
}

var total int

func work(number int) {
	rows := make([]byte, 20000+load.Random(number)%20000)
	text := string(rows[:10000])
	total += len(text)
}

func main() {
	go load.Every(1250, work)
	go load.Every(480, func(number int) {
		count(fmt.Sprintf("customer-number-%d", load.Random(number)), "first-login")
	})
	load.Serve()
}
