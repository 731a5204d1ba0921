// Work queue: tasks are shared among workers, and a task whose worker fails goes to another.
package main

import (
	"fmt"
	"log"

	"duolog.example/amqp/internal/broker"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	connection, channel := broker.Connect()
	defer connection.Close()
	// A durable queue with persistent messages survives a restart of the broker.
	_, err := channel.QueueDeclare("example.tasks", true, false, false, false, nil)
	broker.Must(err)
	for number := 0; number < 10; number++ {
		task := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(fmt.Sprint(number))}
		broker.Must(channel.Publish("", "example.tasks", false, false, task))
	}

	// This worker takes one task and goes away without acknowledging it: the broker gives it to the next one.
	failing, failingChannel := broker.Connect()
	lost, ok, err := failingChannel.Get("example.tasks", false)
	broker.Must(err)
	if !ok {
		log.Fatal("there is no task")
	}
	broker.Must(failing.Close())

	// At most one task at a time that is not acknowledged: a slow worker does not hoard what others could do.
	broker.Must(channel.Qos(1, 0, false))
	tasks, err := channel.Consume("example.tasks", "", false, false, false, false, nil)
	broker.Must(err)
	done := map[string]bool{}
	for task := range tasks {
		done[string(task.Body)] = true
		if task.Redelivered != (string(task.Body) == string(lost.Body)) {
			log.Fatalf("task %s has redelivered=%v", task.Body, task.Redelivered)
		}
		broker.Must(task.Ack(false))
		if len(done) == 10 {
			break
		}
	}
	fmt.Println("10 tasks done, one of them after its first worker had gone")

	_, err = channel.QueueDelete("example.tasks", false, false, false)
	broker.Must(err)
}
