// L13 in Go: see lab/bounded_cache.c. Prints `row<TAB>value`. The bounded cache drops its oldest
// settings, the way such caches are written by hand.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const tenants, settings, most = 400, 2000, 64 << 20 / 256 / 400

type setting [256]byte

func fill(bounded bool) map[string]map[string]*setting {
	cache := make(map[string]map[string]*setting)
	for i := 0; i < settings; i++ {
		for k := 0; k < tenants; k++ {
			tenant := fmt.Sprintf("tenant-%d", k)
			inner := cache[tenant]
			if inner == nil {
				inner = make(map[string]*setting)
				cache[tenant] = inner
			}
			inner[fmt.Sprintf("setting-%d", i)] = new(setting)
			if bounded && i >= most {
				delete(inner, fmt.Sprintf("setting-%d", i-most))
			}
		}
	}
	return cache
}

func peak() (megabytes float64) {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		var kilobytes float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kilobytes); n == 1 {
			megabytes = kilobytes * 1024 / 1e6
		}
	}
	return
}

func main() {
	if len(os.Args) > 1 { // a process of its own for each
		before := peak()
		cache := fill(os.Args[1] == "bounded")
		fmt.Printf("%f\n", peak()-before)
		_ = len(cache)
		return
	}
	for _, variant := range [][2]string{{"unbounded", "unbounded: peak memory"}, {"bounded", "at most 1000 per tenant, 64 MB in all: peak memory"}} {
		if out, err := exec.Command(os.Args[0], variant[0]).Output(); err == nil {
			fmt.Printf("%s\t%s", variant[1], out)
		}
	}
}
