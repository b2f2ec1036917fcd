/** `/new`. */
export function NewTaskPage() {
  return <h1>New task</h1>;
}
